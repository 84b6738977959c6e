// Every type of value, and every way to write one, through Google's client and back.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {setTimeout} from 'node:timers/promises';

import {ALREADY_EXISTS, connect, INVALID_ARGUMENT, KEY, NOT_FOUND, plain} from './client.mjs';

const datastore = connect('values');

const read = async (key, options) => (await datastore.get(key, options))[0];
const written = async (data, more = {}) => {
  const key = datastore.key(['Value']);
  await datastore.save({key, data, ...more});
  return key;
};

const values = {
  null: null,
  true: true,
  false: false,
  'an empty string': '',
  'a string in several scripts': 'grüße, 日本, 🦆, \u0000 and "quotes"',
  zero: 0,
  'an integer': -42,
  'the largest safe integer': Number.MAX_SAFE_INTEGER,
  'the smallest safe integer': Number.MIN_SAFE_INTEGER,
  'a double': 0.1,
  'a tiny double': Number.MIN_VALUE,
  infinity: Infinity,
  'minus infinity': -Infinity,
  'not a number': NaN,
  'an empty blob': Buffer.alloc(0),
  'a blob of every byte': Buffer.from(Array.from({length: 256}, (_, i) => i)),
  'a date': new Date('2024-02-29T12:34:56.789Z'),
  'a date before 1970': new Date('1815-12-10T00:00:00.001Z'),
  'an empty array': [],
  'an array of many types': [1, 'two', 3.5, null, true, new Date(0), Buffer.from('x')],
  'an entity': {street: 'Marylebone', number: 12, tags: ['a', 'b'], inner: {deep: {deeper: null}}},
  'an empty entity': {},
  'an array of entities': [{a: 1}, {a: 2, b: [3]}],
};
for (const [name, value] of Object.entries(values)) {
  test(`value: ${name}`, async () => assert.deepEqual((await read(await written({value}))).value, value));
}

test('value: a key, of a name and of an id, with ancestors and a namespace', async () => {
  const keys = [
    datastore.key(['A', 'b']),
    datastore.key(['A', 7, 'B', 'c', 'C', 8]),
    datastore.key({path: ['A', 'b'], namespace: 'elsewhere'}),
  ];
  const entity = await read(await written({keys, one: keys[1]}));
  assert.deepEqual(entity.keys.map((key) => key.path.map(String)), keys.map((key) => key.path.map(String)));
  assert.deepEqual(entity.keys.map((key) => key.namespace), ['values', 'values', 'elsewhere']);
  assert.equal(entity.one.id, '8');
  assert.equal(entity.one.parent.name, 'c');
});

test('value: a geographical point', async () => {
  const coordinates = {latitude: 51.5225, longitude: -0.1571};
  const entity = await read(await written({at: datastore.geoPoint(coordinates)}));
  assert.deepEqual(entity.at, coordinates);
});

test('value: a double that is a whole number stays a double', async () => {
  for (const value of [5, Number.MAX_VALUE]) {
    const key = await written({value: datastore.double(value)});
    assert.equal((await read(key)).value, value);
    const query = datastore.createQuery('Value').filter('value', datastore.double(value)).filter('__key__', key);
    assert.equal((await datastore.runQuery(query))[0].length, 1);
  }
});

test('value: integers beyond the safe ones, wrapped', async () => {
  for (const text of ['9223372036854775807', '-9223372036854775808']) {
    const key = await written({value: datastore.int(text)});
    assert.equal((await read(key, {wrapNumbers: true})).value.value, text);
    await assert.rejects(datastore.get(key), /out of bounds/);
  }
});

test('value: strings and blobs of more than 1500 bytes need to be left out of the indexes', async () => {
  for (const value of ['s'.repeat(1501), Buffer.alloc(1501)]) {
    await assert.rejects(written({value}), {code: INVALID_ARGUMENT, message: /longer than 1500 bytes/});
    assert.deepEqual((await read(await written({value}, {excludeFromIndexes: ['value']}))).value, value);
  }
  const value = 's'.repeat(1501);
  assert.equal((await read(await written({value}, {excludeLargeProperties: true}))).value, value);
  const list = [{text: 't'.repeat(2000)}, {text: 'short'}];
  assert.deepEqual((await read(await written({list}, {excludeFromIndexes: ['list[].text']}))).list, list);
});

test('value: an entity of a megabyte, and one that is too big', async () => {
  const text = 'x'.repeat(1_000_000);
  assert.equal((await read(await written({text}, {excludeFromIndexes: ['text']}))).text, text);
  const halves = {first: text, second: text};
  await assert.rejects(written(halves, {excludeFromIndexes: ['first', 'second']}), {code: INVALID_ARGUMENT});
});

test('value: property names with dots, spaces and other scripts', async () => {
  const data = {'a.b': 1, 'with space': 2, größe: 3, 'back`tick': 4};
  assert.deepEqual(plain(await read(await written(data))), {...data, [KEY]: undefined});
});

test('value: what may not be written', async () => {
  const wrong = {
    'a reserved name': {__name__: 1},
    'an array in an array': {a: [[1]]},
    'a latitude beyond the pole': {at: datastore.geoPoint({latitude: 91, longitude: 0})},
  };
  for (const [name, data] of Object.entries(wrong)) {
    await assert.rejects(written(data), {code: INVALID_ARGUMENT}, name);
  }
  for (const path of [['__Kind__', 1], ['Kind', '__name__'], ['K'.repeat(1501), 1]]) {
    await assert.rejects(datastore.save({key: datastore.key(path), data: {}}), {code: INVALID_ARGUMENT}, path[0]);
  }
});

test('write: an incomplete key gets an id that JavaScript can hold', async () => {
  const keys = Array.from({length: 20}, () => datastore.key(['Parent', 'p', 'Numbered']));
  await datastore.save(keys.map((key, i) => ({key, data: {i}})));
  assert.equal(new Set(keys.map((key) => key.id)).size, keys.length);
  for (const key of keys) assert.ok(Number.isSafeInteger(Number(key.id)) && Number(key.id) > 0, key.id);
  const [entities] = await datastore.get(keys);
  assert.deepEqual(entities.map((entity) => entity.i).sort((a, b) => a - b), keys.map((_, i) => i));
});

test('write: insert refuses what is there, update what is not, and nothing of their commits remains', async () => {
  const [there, missing, bystander] = ['there', 'missing', 'bystander'].map((name) => datastore.key(['Write', name]));
  await datastore.insert({key: there, data: {n: 1}});
  await assert.rejects(datastore.insert([{key: bystander, data: {}}, {key: there, data: {n: 2}}]), {
    code: ALREADY_EXISTS,
    message: /entity already exists/,
  });
  await assert.rejects(datastore.update([{key: bystander, data: {}}, {key: missing, data: {}}]), {
    code: NOT_FOUND,
    message: /no entity to update/,
  });
  const [entities] = await datastore.get([there, missing, bystander]);
  assert.deepEqual(entities.map(plain), [{n: 1, [KEY]: undefined}]);
  await datastore.update({key: there, data: {n: 3}});
  await datastore.upsert({key: there, data: {n: 4}});
  assert.equal((await read(there)).n, 4);
  await datastore.delete(there);
  await datastore.delete(there);
  assert.equal(await read(there), undefined);
});

test('write: merge keeps the properties that it is not given', async () => {
  const key = await written({kept: 1, changed: 1});
  await datastore.merge({key, data: {changed: 2, added: 3}});
  assert.deepEqual(plain(await read(key)), {kept: 1, changed: 2, added: 3, [KEY]: undefined});
});

test('write: property transforms', async () => {
  const key = datastore.key(['Write', 'transformed']);
  const data = {n: 5, high: 5, low: 5, list: ['a', 'b'], less: [1, 2, 1], stamp: null};
  await datastore.save({key, data});
  const before = Date.now() - 60_000;
  const [response] = await datastore.save({
    key,
    data,
    transforms: [
      {property: 'n', increment: 3},
      {property: 'high', maximum: 9},
      {property: 'low', minimum: 2},
      {property: 'list', appendMissingElements: ['b', 'c']},
      {property: 'less', removeAllFromArray: [1]},
      {property: 'stamp', setToServerValue: true},
    ],
  });
  const entity = await read(key);
  assert.ok(entity.stamp.getTime() > before);
  assert.deepEqual(plain({...entity, stamp: null}), {
    n: 8,
    high: 9,
    low: 2,
    list: ['a', 'b', 'c'],
    less: [2],
    stamp: null,
    [KEY]: undefined,
  });
  const {transformResults} = response.mutationResults[0];
  assert.deepEqual(
    transformResults.map((value) => value.valueType),
    ['integerValue', 'integerValue', 'integerValue', 'nullValue', 'nullValue', 'timestampValue'],
  );
});

test('write: 500 entities in a commit, and 501 are refused', async () => {
  const entities = Array.from({length: 501}, (_, i) => ({key: datastore.key(['Many', i + 1]), data: {i}}));
  await assert.rejects(datastore.save(entities), {code: INVALID_ARGUMENT, message: /500/});
  await datastore.save(entities.slice(0, 500));
  const [found] = await datastore.get(entities.map((entity) => entity.key));
  assert.equal(found.length, 500);
  await datastore.delete(entities.slice(0, 500).map((entity) => entity.key));
  assert.equal((await datastore.get(entities.slice(0, 500).map((entity) => entity.key)))[0].length, 0);
});

test('read: what is there, and nothing of what is missing', async () => {
  const keys = ['c', 'a', 'b'].map((name) => datastore.key(['Order', name]));
  await datastore.save(keys.map((key) => ({key, data: {name: key.name}})));
  const [entities] = await datastore.get([...keys, datastore.key(['Order', 'none'])]);
  assert.deepEqual(entities.map((entity) => entity.name).sort(), ['a', 'b', 'c']);
});

test('read: as a stream, and more than one answer can hold', async () => {
  const keys = Array.from({length: 8}, (_, i) => datastore.key(['Big', i + 1]));
  const text = 'x'.repeat(900_000);
  for (const key of keys) await datastore.save({key, data: {text}, excludeFromIndexes: ['text']});
  const seen = [];
  for await (const entity of datastore.createReadStream(keys)) seen.push(Number(entity[KEY].id));
  assert.deepEqual(seen.sort(), [1, 2, 3, 4, 5, 6, 7, 8]);
  const [entities] = await datastore.runQuery(datastore.createQuery('Big'));
  assert.deepEqual(entities.map((entity) => entity.text.length), keys.map(() => text.length));
});

test('read: as of an earlier time', async () => {
  const key = datastore.key(['Past', 'one']);
  await datastore.save({key, data: {n: 1}});
  // The client sends whole seconds: the next one is after the first write and, once it is over, not in the future.
  const readTime = Math.ceil((Date.now() + 1) / 1000) * 1000;
  while (Date.now() <= readTime) await setTimeout(readTime + 1 - Date.now());
  await datastore.save({key, data: {n: 2}});
  assert.equal((await read(key, {readTime})).n, 1);
  assert.equal((await read(key)).n, 2);
  const query = datastore.createQuery('Past');
  assert.deepEqual((await datastore.runQuery(query, {readTime}))[0].map((entity) => entity.n), [1]);
  await assert.rejects(datastore.get(key, {readTime: Date.now() - 100 * 24 * 3600 * 1000}));
});

test('ids: allocated ids are new, each of them, and can be used', async () => {
  const [keys] = await datastore.allocateIds(datastore.key(['Allocated']), 100);
  assert.equal(new Set(keys.map((key) => key.id)).size, 100);
  await datastore.insert(keys.map((key) => ({key, data: {}})));
  await assert.rejects(datastore.allocateIds(datastore.key(['Allocated', 1]), 1));
});

test('namespaces and databases keep their entities apart', async () => {
  const path = ['Apart', 'one'];
  const clients = [datastore, connect('other'), connect(undefined), connect('values', {databaseId: 'second'})];
  for (const [n, client] of clients.entries()) await client.save({key: client.key(path), data: {n}});
  for (const [n, client] of clients.entries()) {
    const [entity] = await client.get(client.key(path));
    assert.equal(entity.n, n);
    const [entities] = await client.runQuery(client.createQuery('Apart'));
    assert.deepEqual(entities.map((each) => each.n), [n]);
  }
});
