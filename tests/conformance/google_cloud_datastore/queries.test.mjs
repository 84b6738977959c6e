// Queries of every form that Google's client can make, over one set of entities.
import assert from 'node:assert/strict';
import {before, test} from 'node:test';

import {and, or, PropertyFilter} from '@google-cloud/datastore';
import {AggregateField} from '@google-cloud/datastore/build/src/aggregate.js';

import {connect, Datastore, INVALID_ARGUMENT, KEY, MORE_RESULTS_AFTER_LIMIT, NO_MORE_RESULTS} from './client.mjs';

const datastore = connect('queries');
const house = (name) => datastore.key(['House', name]);
const people = [
  {house: 'stark', name: 'arya', age: 11, alive: true, tags: ['sword', 'wolf'], home: {city: 'winterfell'}},
  {house: 'stark', name: 'bran', age: 10, alive: true, tags: ['wolf'], home: {city: 'winterfell'}},
  {house: 'stark', name: 'eddard', age: 40, alive: false, tags: ['sword', 'honour'], home: {city: 'winterfell'}},
  {house: 'stark', name: 'robb', age: 16, alive: false, tags: [], home: {city: 'riverrun'}},
  {house: 'snow', name: 'jon', age: 16, alive: true, tags: ['sword', 'wolf', 'crow'], home: {city: 'wall'}},
  {house: 'tully', name: 'catelyn', age: 34.5, alive: false, tags: ['fish'], home: {city: 'riverrun'}},
  {house: 'tully', name: 'brynden', age: null, alive: true, home: {city: 'riverrun'}},
];

before(() =>
  datastore.save(
    people.map(({house: of, ...data}) => ({key: datastore.key(['House', of, 'Person', data.name]), data})),
  ),
);

const persons = () => datastore.createQuery('Person');
const run = async (query, options) => (await datastore.runQuery(query, options))[0];
const names = (entities) => entities.map((entity) => entity[KEY].name);
const where = (name, operator, value) => new PropertyFilter(name, operator, value);

// name, the query, the names it finds: in this order, if the query has one, and else by key.
const cases = [
  ['all, by key', persons(), ['jon', 'arya', 'bran', 'eddard', 'robb', 'brynden', 'catelyn']],
  ['equality', persons().filter('alive', false), ['eddard', 'robb', 'catelyn']],
  ['equality with null', persons().filter('age', null), ['brynden']],
  ['two equalities', persons().filter('alive', true).filter('tags', 'wolf'), ['jon', 'arya', 'bran']],
  ['two values of one array', persons().filter('tags', 'sword').filter('tags', 'wolf'), ['jon', 'arya']],
  ['in an embedded entity', persons().filter('home.city', 'riverrun'), ['robb', 'brynden', 'catelyn']],
  ['less, which orders', persons().filter('name', '<', 'c'), ['arya', 'bran', 'brynden']],
  ['a range', persons().filter('name', '>=', 'bran').filter('name', '<=', 'catelyn'), ['bran', 'brynden', 'catelyn']],
  ['more', persons().filter('age', '>', 11).filter('age', '<', 100), ['jon', 'robb', 'eddard']],
  ['not equal', persons().filter('name', '!=', 'jon'), ['arya', 'bran', 'brynden', 'catelyn', 'eddard', 'robb']],
  ['one of', persons().filter('name', 'IN', ['jon', 'arya', 'nobody']), ['jon', 'arya']],
  ['none of', persons().filter('name', 'NOT_IN', ['jon', 'arya', 'bran', 'robb']), ['brynden', 'catelyn', 'eddard']],
  [
    'either',
    persons().filter(or([where('name', '=', 'jon'), where('alive', '=', false)])),
    ['jon', 'eddard', 'robb', 'catelyn'],
  ],
  [
    'a tree of conditions',
    persons().filter(and([where('tags', '=', 'sword'), or([where('age', '=', 16), where('age', '=', 40)])])),
    ['jon', 'eddard'],
  ],
  ['below an ancestor', persons().hasAncestor(house('stark')), ['arya', 'bran', 'eddard', 'robb']],
  ['below an ancestor, filtered', persons().hasAncestor(house('stark')).filter('age', '<', 16), ['bran', 'arya']],
  ['without a kind, below an ancestor', datastore.createQuery().hasAncestor(house('tully')), ['brynden', 'catelyn']],
  [
    'by key',
    persons().filter('__key__', '>', datastore.key(['House', 'stark', 'Person', 'bran'])),
    ['eddard', 'robb', 'brynden', 'catelyn'],
  ],
  ['ascending', persons().order('name'), ['arya', 'bran', 'brynden', 'catelyn', 'eddard', 'jon', 'robb']],
  ['descending', persons().order('name', {descending: true}).limit(2), ['robb', 'jon']],
  [
    'across types: null, integers, doubles',
    persons().order('age'),
    ['brynden', 'bran', 'arya', 'jon', 'robb', 'eddard', 'catelyn'],
  ],
  [
    'by two properties',
    persons().order('alive').order('name', {descending: true}),
    ['robb', 'eddard', 'catelyn', 'jon', 'brynden', 'bran', 'arya'],
  ],
  ['by an array, its smallest first', persons().order('tags'), ['jon', 'catelyn', 'eddard', 'arya', 'bran']],
  ['limit and offset', persons().order('name').offset(2).limit(3), ['brynden', 'catelyn', 'eddard']],
  ['an offset beyond the end', persons().order('name').offset(100), []],
  ['a kind that there is not', datastore.createQuery('Nobody'), []],
  ['keys only', persons().select('__key__').filter('alive', true), ['jon', 'arya', 'bran', 'brynden']],
];
for (const [name, query, expected] of cases) {
  test(`query: ${name}`, async () => assert.deepEqual(names(await run(query)), expected));
}

test('query: a projection has a row for each value of an array', async () => {
  const rows = await run(persons().select(['name', 'tags']).filter('name', '<', 'c').order('name'));
  assert.deepEqual(
    rows.map((row) => ({...row, [KEY]: undefined})),
    [['arya', 'sword'], ['arya', 'wolf'], ['bran', 'wolf']].map(([name, tags]) => ({name, tags, [KEY]: undefined})),
  );
});

test('query: a projection keeps the types of its values', async () => {
  const at = new Date('2024-02-29T12:34:56.789Z');
  await datastore.save({key: datastore.key(['Typed', 1]), data: {at, text: 't', n: 1, x: 1.5, yes: true, none: null}});
  const [row] = await run(datastore.createQuery('Typed').select(['text', 'n', 'x', 'yes', 'none']));
  assert.deepEqual({...row, [KEY]: undefined}, {text: 't', n: 1, x: 1.5, yes: true, none: null, [KEY]: undefined});
  const [dated] = await run(datastore.createQuery('Typed').select('at'));
  assert.equal(Number(dated.at) / (dated.at instanceof Date ? 1 : 1000), at.getTime()); // as microseconds, on the wire
});

test('query: grouped, the first of each', async () => {
  const rows = await run(persons().select(['alive', 'name']).groupBy('alive').order('alive').order('name'));
  assert.deepEqual(rows.map((row) => [row.alive, row.name]), [[false, 'catelyn'], [true, 'arya']]);
});

test('query: pages by cursor stay in place when entities come and go', async () => {
  const key = (n) => datastore.key(['Page', n]);
  await datastore.save(Array.from({length: 10}, (_, i) => ({key: key(i + 1), data: {n: (i + 1) * 10}})));
  const page = () => datastore.createQuery('Page').order('n').limit(3);
  const [first, firstInfo] = await datastore.runQuery(page());
  assert.deepEqual(first.map((entity) => entity.n), [10, 20, 30]);
  assert.equal(firstInfo.moreResults, MORE_RESULTS_AFTER_LIMIT);
  await datastore.delete([key(3), key(4)]);
  await datastore.save([{key: key(11), data: {n: 15}}, {key: key(12), data: {n: 35}}]);
  const [second, secondInfo] = await datastore.runQuery(page().start(firstInfo.endCursor));
  assert.deepEqual(second.map((entity) => entity.n), [35, 50, 60]);
  const [between] = await datastore.runQuery(
    datastore.createQuery('Page').order('n').start(firstInfo.endCursor).end(secondInfo.endCursor),
  );
  assert.deepEqual(between.map((entity) => entity.n), [35, 50, 60]);
  const [rest, restInfo] = await datastore.runQuery(page().limit(100).start(secondInfo.endCursor));
  assert.deepEqual(rest.map((entity) => entity.n), [70, 80, 90, 100]);
  assert.equal(restInfo.moreResults, NO_MORE_RESULTS);
  await assert.rejects(datastore.runQuery(persons().start(firstInfo.endCursor)), {code: INVALID_ARGUMENT});
});

test('query: more rows than a batch holds, at once and as a stream', async () => {
  const entities = Array.from({length: 1200}, (_, i) => ({key: datastore.key(['Long', i + 1]), data: {n: i}}));
  for (let i = 0; i < entities.length; i += 400) await datastore.save(entities.slice(i, i + 400));
  const expected = entities.map((entity) => entity.data.n);
  const query = () => datastore.createQuery('Long').order('n');
  assert.deepEqual((await run(query())).map((entity) => entity.n), expected);
  assert.deepEqual((await run(query().offset(1100))).map((entity) => entity.n), expected.slice(1100));
  const streamed = [];
  for await (const entity of datastore.runQueryStream(query())) streamed.push(entity.n);
  assert.deepEqual(streamed, expected);
});

test('query: kinds, namespaces and properties', async () => {
  const kinds = names(await run(datastore.createQuery('__kind__')));
  assert.ok(kinds.includes('Person'), kinds.join());
  const namespaces = await connect(undefined).runQuery(connect(undefined).createQuery('__namespace__'));
  assert.ok(names(namespaces[0]).includes('queries'));
  const person = datastore.key(['__kind__', 'Person']);
  const properties = await run(datastore.createQuery('__property__').hasAncestor(person));
  assert.deepEqual(names(properties), ['age', 'alive', 'home.city', 'name', 'tags']);
  assert.deepEqual(properties[0].property_representation, ['DOUBLE', 'INT64', 'NULL']);
});

const aggregate = async (query, ...fields) =>
  (await datastore.runAggregationQuery(datastore.createAggregationQuery(query).addAggregations(fields)))[0][0];

test('aggregation: count, sum and average, each under its name', async () => {
  const {count, sum, average} = AggregateField;
  assert.deepEqual(await aggregate(persons(), count().alias('all')), {all: 7});
  const starks = persons().hasAncestor(house('stark'));
  assert.deepEqual(await aggregate(starks, sum('age').alias('s'), average('age').alias('a')), {s: 77, a: 19.25});
  assert.deepEqual(await aggregate(persons(), sum('age')), {property_1: 127.5});
  assert.deepEqual(await aggregate(persons().filter('alive', true).limit(2), count()), {property_1: 2});
  assert.deepEqual(await aggregate(persons().limit(3), sum('age')), {property_1: 21}); // in the order of age
  assert.deepEqual(await aggregate(datastore.createQuery('Nobody'), count(), sum('age'), average('age')), {
    property_1: 0,
    property_2: 0,
    property_3: null,
  });
});

test('aggregation: what is refused', async () => {
  const {count, sum} = AggregateField;
  const six = Array.from({length: 6}, (_, i) => count().alias(`c${i}`));
  await assert.rejects(aggregate(persons(), ...six), {code: INVALID_ARGUMENT, message: /maximum number of/});
  await assert.rejects(aggregate(persons(), sum('__key__')), {code: INVALID_ARGUMENT, message: /not supported/});
  await assert.rejects(aggregate(persons(), count().alias('a'), sum('age').alias('a')), {code: INVALID_ARGUMENT});
});

test('explain: the plan alone, and with what the query did', async () => {
  const query = persons().filter('alive', true);
  const [none, planned] = await datastore.runQuery(query, {explainOptions: {analyze: false}});
  assert.deepEqual(none, []);
  assert.ok(planned.explainMetrics.planSummary.indexesUsed.length > 0);
  assert.equal(planned.explainMetrics.executionStats, undefined);
  const [found, analyzed] = await datastore.runQuery(query, {explainOptions: {analyze: true}});
  assert.equal(found.length, 4);
  assert.equal(analyzed.explainMetrics.executionStats.resultsReturned, 4);
});

const many = Array.from({length: 31}, (_, i) => `n${i}`);
const wrong = [
  ['a filter without a kind', datastore.createQuery().filter('name', 'jon'), /kind is required/],
  ['an order without a kind', datastore.createQuery().order('name'), /kind is required/],
  ['a projection of what is filtered', persons().select(['name']).filter('name', 'jon'), /cannot use projection/],
  ['a projection twice', persons().select(['name', 'name']), /cannot project a property multiple times/],
  ['one of nothing', persons().filter('name', 'IN', []), /non-empty/],
  ['a key that is none', persons().filter('__key__', 'jon'), /must be a Key/],
  ['more alternatives than are allowed', persons().filter('name', 'IN', many), /30/],
];
for (const [name, query, message] of wrong) {
  test(`refused: ${name}`, () => assert.rejects(run(query), {code: INVALID_ARGUMENT, message}));
}

test('refused: a cursor that is none', () =>
  assert.rejects(run(persons().start(Buffer.from('nonsense').toString('base64'))), {code: INVALID_ARGUMENT}));

test('the client knows its own types', () => assert.ok(Datastore.isKey(house('stark'))));
