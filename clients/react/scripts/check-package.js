// Checks of the npm packages that publint and attw do not have. Run it in the package's folder after the build.
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

const read = (path) => readFileSync(path, 'utf8');
const manifest = JSON.parse(read('package.json'));
const errors = [];
const check = (condition, error) => {
  if (!condition) errors.push(error);
};

/** Returns the files and packages that a built file imports, also through other files. */
const reachable = (path, found = new Set()) => {
  for (const [, target] of read(path).matchAll(/from ['"]([^'"]+)['"]/g)) {
    const next = target.startsWith('.') ? join(dirname(path), target) : target.replace('#client', 'dist/client');
    if (found.has(next)) continue;
    found.add(next);
    if (next.startsWith('dist/')) reachable(next, found);
  }
  return found;
};

check(manifest.dependencies === undefined, 'package.json has a run-time dependency');
for (const field of ['keywords', 'homepage', 'bugs', 'license', 'author', 'engines']) {
  check(manifest[field]?.length !== 0 && manifest[field] !== undefined, `package.json has no ${field}`);
}
check(
  manifest.repository?.directory === `clients/${basename(process.cwd())}`,
  'package.json must name its directory in the repository',
);
check(manifest.publishConfig?.provenance === true, 'package.json must require provenance');
check(manifest.sideEffects === false, 'package.json must have sideEffects: false');
if (manifest.name === '@hybrid-memory/react') {
  for (const file of ['dist/index.js', 'dist/use-agent-chat.js', 'dist/use-search.js']) {
    check(/^['"]use client['"];/.test(read(file)), `${file} does not begin with "use client"`);
  }
  for (const file of ['dist/ai-sdk.js', 'dist/ai-sdk-server.js']) {
    check(!/from ['"]ai['"]/.test(read(file)), `${file} must import only types of the optional \`ai\``);
  }
  for (const file of ['dist/ai-sdk-server.js', 'dist/server.js']) {
    check(!reachable(file).has('react'), `${file} must not import React`);
  }
}
for (const [name, version] of Object.entries(manifest.devDependencies)) {
  check(/^(npm:ai@)?\d+\.\d+\.\d+$/.test(version), `package.json must have an exact version of ${name}`);
}
for (const lock of ['package-lock.json', 'tests/react-18/package-lock.json'].filter((path) => existsSync(path))) {
  check(!read(lock).includes('"resolved"'), `${lock} must not name a registry: install with the .npmrc of its folder`);
}

for (const error of errors) console.error(error);
process.exitCode = errors.length > 0 ? 1 : 0;
