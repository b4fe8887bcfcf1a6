import 'server-only';

// Replace these functions by your sign-in, for example Auth.js or the SDK of your provider.

/** Returns the id of the signed-in user. */
export async function currentUser(): Promise<string> {
  return process.env.MEMORY_USER ?? 'ada';
}

/** Returns the access token of the signed-in user, or null if the API needs none. */
export async function accessToken(): Promise<string | null> {
  return process.env.MEMORY_TOKEN ?? null;
}
