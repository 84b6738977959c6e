// gstore-node's tests are in TypeScript, for jest, and stand beside its sources. mocha runs them with what the package
// ships as built, and with jest's names.
'use strict';

const fs = require('node:fs');
const Module = require('node:module');
const esbuild = require('esbuild');
const {expect} = require('expect');

require.extensions['.ts'] = (module, file) =>
  module._compile(esbuild.transformSync(fs.readFileSync(file, 'utf8'), {loader: 'ts', format: 'cjs'}).code, file);

const resolve = Module._resolveFilename;
Module._resolveFilename = (request, ...rest) =>
  resolve.call(Module, request.replace(/^\.\.\/\.\.\/src/, 'gstore-node/lib'), ...rest);

Object.assign(globalThis, {test: it, beforeAll: before, afterAll: after, expect});
