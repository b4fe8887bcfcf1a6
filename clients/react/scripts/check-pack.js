// Packs an npm package in a clean clone and checks its files. Run it in the package's folder.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';

const MAX_BYTES = 260_000;
const run = (cwd, command, ...args) =>
  execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });

// The files that git does not ignore, so no build output.
const filesOf = (...paths) =>
  run('.', 'git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard', '--', ...paths)
    .split('\0')
    .filter((path) => path !== '' && existsSync(path));

const clones = mkdtempSync(join(tmpdir(), 'pack-'));
const clone = join(clones, basename(process.cwd()));
const errors = [];
try {
  // The React package contains a part of the client's sources.
  for (const file of filesOf('.', '../typescript/package.json', '../typescript/src')) cpSync(file, join(clone, file));
  symlinkSync(join(process.cwd(), 'node_modules'), join(clone, 'node_modules'));
  const [{ files, filename, size }] = JSON.parse(run(clone, 'npm', 'pack', '--json'));
  const packed = new Set(files.map(({ path }) => path));
  const has = (path) => packed.has(path) || errors.push(`${filename} has no ${path}`);
  const manifest = JSON.parse(readFileSync(join(clone, 'package.json'), 'utf8'));

  for (const path of ['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json']) has(path);
  for (const target of Object.values(manifest.exports).flatMap((each) =>
    typeof each === 'string' ? each : Object.values(each),
  )) {
    has(target.replace(/^\.\//, ''));
  }
  for (const source of filesOf('src')) {
    const path = source.replace(/^src/, 'dist').replace(/\.ts$/, '');
    for (const ending of ['.js', '.js.map', '.d.ts', '.d.ts.map']) has(path + ending);
  }
  for (const path of packed) {
    if (
      !/^(dist\/(client\/)?[\w-]+\.(js|d\.ts)(\.map)?|src\/[\w-]+\.ts|(CHANGELOG|README)\.md|package\.json|LICENSE)$/.test(
        path,
      )
    )
      errors.push(`${filename} has the unexpected file ${path}`);
  }
  run(clone, 'tar', '-xzf', filename);
  for (const path of packed) {
    const text = readFileSync(join(clone, 'package', path), 'utf8');
    if (path.endsWith('.map')) {
      const { sources, sourcesContent } = JSON.parse(text);
      // Editors follow a map of declarations to the source. Bundlers use the source within a map of code.
      if (!path.startsWith('dist/client/')) for (const source of sources) has(join(dirname(path), source));
      if (path.endsWith('.js.map') && sourcesContent?.length !== 1) errors.push(`${path} has no source content`);
    }
    for (const [, target] of /^dist\/.*\.(js|d\.ts)$/.test(path) ? text.matchAll(/from ['"]([.#][^'"]+)['"]/g) : []) {
      has(target.startsWith('#client/') ? target.replace('#client', 'dist/client') : join(dirname(path), target));
    }
  }
  if (size > MAX_BYTES) errors.push(`${filename} has ${String(size)} bytes`);
} finally {
  rmSync(clones, { recursive: true, force: true });
}

for (const error of new Set(errors)) console.error(error);
process.exitCode = errors.length > 0 ? 1 : 0;
