"""The service of docker-compose.yml that deploys the template to LocalStack once."""
