// What publint and attw do not look at. Run after the build.
import { readFileSync } from 'node:fs';

const read = (path) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');
const manifest = JSON.parse(read('package.json'));
const faults = [];
const check = (holds, fault) => {
  if (!holds) faults.push(fault);
};

check(manifest.dependencies === undefined, 'package.json has a run-time dependency');
check(manifest.sideEffects === false, 'package.json does not say sideEffects: false');
for (const file of ['dist/index.js', 'dist/use-agent-chat.js']) {
  check(/^['"]use client['"];/.test(read(file)), `${file} does not begin with "use client"`);
}
check(!/from ['"]ai['"]/.test(read('dist/ai-sdk.js')), 'dist/ai-sdk.js needs more of the optional `ai` than its types');
for (const [name, version] of Object.entries(manifest.devDependencies)) {
  check(/^\d+\.\d+\.\d+$/.test(version), `package.json does not name one version of ${name}`);
}
for (const lock of ['package-lock.json', 'tests/react-18/package-lock.json']) {
  check(!read(lock).includes('"resolved"'), `${lock} names a registry: install with the .npmrc beside it`);
}

for (const fault of faults) console.error(fault);
process.exitCode = faults.length > 0 ? 1 : 0;
