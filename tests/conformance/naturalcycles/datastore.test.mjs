// The tests that @naturalcycles/db-lib has for whatever calls itself a CommonDB, on its Datastore.
import {DatastoreDB, DatastoreKeyValueDB} from '@naturalcycles/datastore-lib';
import {
  runCommonDaoTest,
  runCommonDBTest,
  runCommonKeyValueDaoTest,
  runCommonKeyValueDBTest,
} from '@naturalcycles/db-lib/testing';
import {describe} from 'vitest';

const quiet = {log() {}, warn() {}, error() {}};
const db = new DatastoreDB({projectId: process.env.DATASTORE_PROJECT_ID, logger: quiet});
const keyValueDB = new DatastoreKeyValueDB({projectId: process.env.DATASTORE_PROJECT_ID, logger: quiet});

describe('runCommonDBTest', () => runCommonDBTest(db));
describe('runCommonDaoTest', () => runCommonDaoTest(db));
describe('runCommonKeyValueDBTest', () => runCommonKeyValueDBTest(keyValueDB));
describe('runCommonKeyValueDaoTest', () => runCommonKeyValueDaoTest(keyValueDB));
