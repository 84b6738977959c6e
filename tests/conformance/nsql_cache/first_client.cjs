// The tests were written for the client's first versions, which exported the class itself, and let it be called without
// `new`.
'use strict';

const Module = require('node:module');

const load = Module._load;
Module._load = function (request, ...rest) {
  const loaded = load.call(this, request, ...rest);
  if (request !== '@google-cloud/datastore' || loaded.Datastore === undefined) return loaded;
  return Object.assign(function (...options) {
    return new loaded.Datastore(...options);
  }, loaded.Datastore);
};
