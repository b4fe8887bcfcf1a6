// Packs what a clean clone packs, and looks at what is inside. Run from the package's directory.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const MOST_BYTES = 200_000;
const run = (cwd, command, ...args) =>
  execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });

const clone = mkdtempSync(join(tmpdir(), 'react-pack-'));
const faults = [];
try {
  // What git does not ignore: neither `dist` nor anything else that was made here.
  for (const file of run('.', 'git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard').split('\0')) {
    if (file !== '') cpSync(file, join(clone, file));
  }
  symlinkSync(join(process.cwd(), 'node_modules'), join(clone, 'node_modules'));
  const [{ files, filename, size }] = JSON.parse(run(clone, 'npm', 'pack', '--json'));
  const packed = new Set(files.map(({ path }) => path));
  const has = (path) => packed.has(path) || faults.push(`${filename} has no ${path}`);
  const manifest = JSON.parse(readFileSync(join(clone, 'package.json'), 'utf8'));

  for (const path of ['README.md', 'package.json']) has(path);
  for (const target of Object.values(manifest.exports).flatMap((each) =>
    typeof each === 'string' ? each : Object.values(each),
  )) {
    has(target.replace(/^\.\//, ''));
  }
  for (const source of run('.', 'git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard', 'src').split(
    '\0',
  )) {
    const path = source.replace(/^src/, 'dist').replace(/\.ts$/, '');
    if (source !== '') for (const ending of ['.js', '.js.map', '.d.ts']) has(path + ending);
  }
  for (const path of packed) {
    if (!/^(dist\/[\w-]+\.(js|js\.map|d\.ts)|README\.md|package\.json|LICENSE)$/.test(path))
      faults.push(`${filename} has ${path}, too`);
  }
  run(clone, 'tar', '-xzf', filename);
  for (const path of packed) {
    const text = readFileSync(join(clone, 'package', path), 'utf8');
    // The sources are not in the package, so that a map has to bring them along.
    if (path.endsWith('.map') && JSON.parse(text).sourcesContent?.length !== 1) faults.push(`${path} has no source`);
    for (const [, target] of path.endsWith('.map') ? [] : text.matchAll(/from ['"](\.[^'"]+)['"]/g)) {
      has(join(dirname(path), target));
    }
  }
  if (size > MOST_BYTES) faults.push(`${filename} has ${String(size)} bytes`);
} finally {
  rmSync(clone, { recursive: true, force: true });
}

for (const fault of new Set(faults)) console.error(fault);
process.exitCode = faults.length > 0 ? 1 : 0;
