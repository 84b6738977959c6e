// What the round trips share. Each file of them keeps to a namespace of its own, so they can run beside each other.
import {Datastore} from '@google-cloud/datastore';

export {Datastore};
export const {KEY, MORE_RESULTS_AFTER_LIMIT, NO_MORE_RESULTS} = Datastore;

// The codes of gRPC that the tests expect.
export const INVALID_ARGUMENT = 3;
export const NOT_FOUND = 5;
export const ALREADY_EXISTS = 6;
export const ABORTED = 10;

export const connect = (namespace, more = {}) =>
  new Datastore({projectId: process.env.DATASTORE_PROJECT_ID, namespace, ...more});

// An entity as it is read, without what the client hides in it.
export const plain = (entity) => ({...entity, [KEY]: undefined});
