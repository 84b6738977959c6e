// Preloaded into the Node programs whose tests expect a Redis on its usual port: leads them to the one of the suite.
'use strict';

const Module = require('node:module');

const load = Module._load;
Module._load = function (request, ...rest) {
  const loaded = load.call(this, request, ...rest);
  if (request !== 'redis') return loaded;
  return {...loaded, createClient: () => loaded.createClient({path: process.env.CONFORMANCE_REDIS_SOCKET})};
};
