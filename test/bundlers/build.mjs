// Builds a web site with a bundler that was told nothing of Shoal:
//
//	build.mjs vite DIR BASE       into DIR/dist, for the path BASE
//	build.mjs webpack DIR BASE    the same; webpack finds out where it lies by itself
//	build.mjs develop DIR         serves DIR as Vite does while a site is written; ends when stdin closes
import { join } from 'node:path';

const [what, dir, base = '/'] = process.argv.slice(2);

if (what === 'vite') {
  const { build } = await import('vite');
  await build({ root: dir, base, configFile: false, logLevel: 'warn' });
} else if (what === 'develop') {
  const { createServer } = await import('vite');
  const server = await createServer({ root: dir, configFile: false, logLevel: 'warn', server: { host: '127.0.0.1', port: 0, ws: false } });
  await server.listen();
  console.log(JSON.stringify({ event: 'ready', url: server.resolvedUrls.local[0] }));
  process.stdin.resume().on('end', () => server.close().then(() => process.exit(0)));
} else if (what === 'webpack') {
  const { default: webpack } = await import('webpack');
  const stats = await new Promise((resolve, reject) => {
    webpack({ mode: 'production', context: dir, entry: './main.js', output: { path: join(dir, 'dist') } }, (err, result) => (err ? reject(err) : resolve(result)));
  });
  if (stats.hasErrors() || stats.hasWarnings()) {
    // A large file is what the engine is.
    const { errors, warnings } = stats.toJson({ all: false, errors: true, warnings: true });
    const bad = [...errors, ...warnings.filter(({ message }) => !/size limit|lazy load|performance/i.test(message))];
    if (bad.length > 0) throw new Error(bad.map(({ message }) => message).join('\n'));
  }
} else {
  throw new Error(`no bundler is called ${what}`);
}
