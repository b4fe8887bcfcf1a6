import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const pathTo = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

// `vite build --mode breakable` builds the local stack's page, which has the panel "Break it and see". It is outside of the
// folders that a deployment contains.
export default defineConfig(({ mode }) => ({
  // Relative URLs work behind any stage prefix.
  base: './',
  build: {
    outDir: mode === 'breakable' ? pathTo('dist/local') : pathTo('../../functions/agent/http/static/built'),
    emptyOutDir: true,
    // No data: URLs, because the page's content security policy blocks them.
    assetsInlineLimit: 0,
    // The licences of the packages in the bundle, which has no comments.
    license: { fileName: 'licences.txt' },
    modulePreload: { polyfill: false },
    // In kB, without compression: React, the parser of Markdown and the grammars of code.
    chunkSizeWarningLimit: 700,
    rolldownOptions: {
      input: pathTo(mode === 'breakable' ? 'local.html' : 'index.html'),
      onLog(level, log, handle) {
        // The hook has 'use client' for server rendering. This page does not need it.
        if (log.code !== 'MODULE_LEVEL_DIRECTIVE') handle(level, log);
      },
    },
  },
  resolve: {
    // The hook's and the client's sources, so that the page needs no build of them.
    alias: { '@hybrid-memory/react': pathTo('../react/src/index.ts'), '#client': pathTo('../typescript/src') },
    dedupe: ['react', 'react-dom'],
  },
  server: {
    host: '127.0.0.1',
    // `npm run dev` serves the page and forwards its requests to the API.
    proxy: process.env.API ? { '^/(run|search|threads|users|overview|docs|openapi)': { target: process.env.API } } : {},
  },
}));
