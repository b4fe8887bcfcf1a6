// Packs the package in a clean clone and checks its files. Run it from the package's directory.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const MAX_BYTES = 260_000;
const run = (cwd, command, ...args) =>
  execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });

const clone = mkdtempSync(join(tmpdir(), 'react-pack-'));
const errors = [];
try {
  // The files that git does not ignore, so no build output.
  for (const file of run('.', 'git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard').split('\0')) {
    if (file !== '') cpSync(file, join(clone, file));
  }
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
  for (const source of run('.', 'git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard', 'src').split(
    '\0',
  )) {
    const path = source.replace(/^src/, 'dist').replace(/\.ts$/, '');
    if (source !== '') for (const ending of ['.js', '.js.map', '.d.ts', '.d.ts.map']) has(path + ending);
  }
  for (const path of packed) {
    if (!/^(dist\/[\w-]+\.(js|d\.ts)(\.map)?|src\/[\w-]+\.ts|(CHANGELOG|README)\.md|package\.json|LICENSE)$/.test(path))
      errors.push(`${filename} has the unexpected file ${path}`);
  }
  run(clone, 'tar', '-xzf', filename);
  for (const path of packed) {
    const text = readFileSync(join(clone, 'package', path), 'utf8');
    if (path.endsWith('.map')) {
      const { sources, sourcesContent } = JSON.parse(text);
      // Editors follow a map of declarations to the source. Bundlers use the source within a map of code.
      for (const source of sources) has(join(dirname(path), source));
      if (path.endsWith('.js.map') && sourcesContent?.length !== 1) errors.push(`${path} has no source content`);
    }
    for (const [, target] of /^dist\/.*\.(js|d\.ts)$/.test(path) ? text.matchAll(/from ['"](\.[^'"]+)['"]/g) : []) {
      has(join(dirname(path), target));
    }
  }
  if (size > MAX_BYTES) errors.push(`${filename} has ${String(size)} bytes`);
} finally {
  rmSync(clone, { recursive: true, force: true });
}

for (const error of new Set(errors)) console.error(error);
process.exitCode = errors.length > 0 ? 1 : 0;
