// Transactions of Google's client, two at a time where it matters.
import assert from 'node:assert/strict';
import {test} from 'node:test';

import {ABORTED, ALREADY_EXISTS, connect, INVALID_ARGUMENT, KEY} from './client.mjs';

const datastore = connect('transactions');
const key = (...path) => datastore.key(path);
const read = async (of) => (await datastore.get(of))[0];

const begun = async (options) => {
  const transaction = datastore.transaction(options);
  await transaction.run();
  return transaction;
};

test('commit: what was written is there afterwards, and not before', async () => {
  const [one, two] = [key('Commit', 'one'), key('Commit', 'two')];
  await datastore.save({key: two, data: {n: 0}});
  const transaction = await begun();
  transaction.save([{key: one, data: {n: 1}}, {key: key('Commit'), data: {n: 3}}]);
  transaction.delete(two);
  assert.equal((await transaction.get(one))[0], undefined, 'a transaction does not see what it will write');
  assert.equal(await read(one), undefined);
  const [response] = await transaction.commit();
  assert.ok(Number(response.commitTime.seconds) > 0);
  assert.equal((await read(one)).n, 1);
  assert.equal(await read(two), undefined);
  const [entities] = await datastore.runQuery(datastore.createQuery('Commit').order('n'));
  assert.deepEqual(entities.map((entity) => entity.n), [1, 3]);
  assert.ok(Number(entities[1][KEY].id) > 0);
});

test('rollback: nothing remains, and the transaction is over', async () => {
  const one = key('Rollback', 'one');
  const transaction = await begun();
  transaction.save({key: one, data: {n: 1}});
  await transaction.rollback();
  assert.equal(await read(one), undefined);
  await assert.rejects(transaction.get(one));
});

test('a commit that fails applies nothing', async () => {
  const [there, other] = [key('Fail', 'there'), key('Fail', 'other')];
  await datastore.save({key: there, data: {n: 1}});
  const transaction = await begun();
  transaction.save({key: other, data: {}});
  transaction.insert({key: there, data: {n: 2}});
  await assert.rejects(transaction.commit(), {code: ALREADY_EXISTS});
  assert.equal(await read(other), undefined);
  assert.equal((await read(there)).n, 1);
});

test('without run(): the first read begins the transaction', async () => {
  const one = key('Lazy', 'one');
  await datastore.save({key: one, data: {n: 1}});
  const transaction = datastore.transaction();
  const [entity] = await transaction.get(one);
  transaction.save({key: one, data: {n: entity.n + 1}});
  await transaction.commit();
  assert.equal((await read(one)).n, 2);

  const counting = datastore.transaction();
  const query = counting.createQuery('transactions', 'Lazy');
  const [[counted]] = await counting.runAggregationQuery(counting.createAggregationQuery(query).count('c'));
  assert.deepEqual(counted, {c: 1});
  await counting.commit();

  const writing = datastore.transaction();
  writing.save({key: one, data: {n: 9}});
  await writing.commit();
  assert.equal((await read(one)).n, 9);
});

test('read-only: one snapshot, which writers do not wait for', async () => {
  const one = key('Snapshot', 'one');
  await datastore.save({key: one, data: {n: 1}});
  const transaction = await begun({readOnly: true});
  assert.equal((await transaction.get(one))[0].n, 1);
  await datastore.save([{key: one, data: {n: 2}}, {key: key('Snapshot', 'two'), data: {n: 3}}]);
  assert.equal((await transaction.get(one))[0].n, 1);
  const [entities] = await transaction.runQuery(transaction.createQuery('transactions', 'Snapshot'));
  assert.deepEqual(entities.map((entity) => entity.n), [1]);
  transaction.save({key: one, data: {n: 4}});
  await assert.rejects(transaction.commit(), {code: INVALID_ARGUMENT, message: /read-only/});
  assert.equal((await read(one)).n, 2);
});

test('ids are allocated in a transaction too', async () => {
  const transaction = await begun();
  const [[allocated]] = await transaction.allocateIds(key('Id'), 1);
  transaction.insert({key: allocated, data: {n: 1}});
  await transaction.commit();
  assert.equal((await read(allocated)).n, 1);
});

// Runs the work in a transaction until a commit succeeds.
const transactionally = async (work) => {
  for (let attempt = 0; attempt < 200; ++attempt) {
    const transaction = await begun();
    try {
      await work(transaction);
      await transaction.commit();
      return;
    } catch (error) {
      await transaction.rollback().catch(() => {});
      if (error.code !== ABORTED) throw error;
    }
  }
  assert.fail('200 attempts were not enough');
};

test('two that read one entity and write it: one of them is aborted', async () => {
  const one = key('Contended', 'one');
  await datastore.save({key: one, data: {n: 0}});
  const [first, second] = [await begun(), await begun()];
  assert.equal((await first.get(one))[0].n, 0);
  assert.equal((await second.get(one))[0].n, 0);
  first.save({key: one, data: {n: 1}});
  second.save({key: one, data: {n: 2}});
  const results = await Promise.allSettled([first.commit(), second.commit()]);
  assert.deepEqual(results.map((result) => result.status).sort(), ['fulfilled', 'rejected']);
  assert.equal(results.find((result) => result.status === 'rejected').reason.code, ABORTED);
  assert.equal((await read(one)).n, results[0].status === 'fulfilled' ? 1 : 2);
});

test('counters that many increment lose nothing', async () => {
  const counters = ['a', 'b'].map((name) => key('Counter', name));
  await datastore.save(counters.map((counter) => ({key: counter, data: {n: 0}})));
  await Promise.all(
    Array.from({length: 8}, (_, i) =>
      transactionally(async (transaction) => {
        const of = counters[i % 2];
        const [entity] = await transaction.get(of);
        transaction.save({key: of, data: {n: entity.n + 1}});
      }),
    ),
  );
  const [entities] = await datastore.get(counters);
  assert.deepEqual(entities.map((entity) => entity.n), [4, 4]);
});

test('what a query has counted does not change before the commit', async () => {
  const parent = key('Room', 'one');
  // Each takes a seat if fewer than two are taken.
  const take = (name) =>
    transactionally(async (transaction) => {
      const [taken] = await transaction.runQuery(transaction.createQuery('transactions', 'Seat').hasAncestor(parent));
      if (taken.length < 2) transaction.save({key: key('Room', 'one', 'Seat', name), data: {}});
    });
  await Promise.all(['a', 'b', 'c', 'd', 'e'].map(take));
  const [seats] = await datastore.runQuery(datastore.createQuery('Seat').hasAncestor(parent));
  assert.equal(seats.length, 2);
});
