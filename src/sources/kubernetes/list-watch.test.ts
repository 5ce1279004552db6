import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { failure, httpFailure } from '../../kubernetes/result.ts';
import { type Input, type Item, ListWatch, type Step } from './list-watch.ts';

const HALF = () => 0.5;

function item(id: string, resourceVersion: number): Item {
  return { id, resourceVersion: String(resourceVersion), value: { id, resourceVersion } };
}

function page(resourceVersion: number, items: readonly Item[], next: string | null = null): Input {
  return { type: 'page', items, resourceVersion: String(resourceVersion), next };
}

const refused = (status: number, reason: string, retryAfter?: string) =>
  httpFailure(status, { kind: 'Status', reason, message: reason }, retryAfter);
const cut = failure('network', 'ECONNRESET', 'cut');
const expired = refused(410, 'Expired');

/** A machine after the given inputs, and what the last of them led to. */
function after(inputs: readonly Input[], isOptional = false): { machine: ListWatch; last: Step } {
  const machine = new ListWatch(isOptional, HALF);
  let last = machine.step({ type: 'start' });
  for (const input of inputs) last = machine.step(input);
  return { machine, last };
}

/** `+a@3 -b` and then what to do. */
function told({ changes, command }: Step): string {
  const texts = changes.map((change) =>
    change.type === 'put' ? `+${change.item.id}@${change.item.resourceVersion}` : `-${change.id}`,
  );
  if (command !== null) {
    const { do: what, ...rest } = command;
    const { timeoutSeconds: _, ...shown } = rest as Record<string, unknown>;
    texts.push([what, ...Object.values(shown)].join(' '));
  }
  return texts.join(', ');
}

const watching = [page(10, [item('a', 3), item('b', 5)]), { type: 'opened' }] as const;

describe('from a list to a watch', () => {
  const cases: [string, readonly Input[], string][] = [
    ['a list is asked for in pages', [], 'list 500 '],
    ['a page leads to the next', [page(10, [item('a', 3)], 'more')], '+a@3, list 500 more'],
    [
      'the watch begins where the first page was taken',
      [page(10, [item('a', 3)], 'more'), page(10, [item('b', 5)])],
      '+b@5, watch 10',
    ],
    ['an event is a change', [...watching, { type: 'changed', item: item('a', 11) }], '+a@11'],
    [
      'an event that was told already is none',
      [...watching, { type: 'changed', item: item('a', 11) }, { type: 'changed', item: item('a', 11) }],
      '',
    ],
    ['a deletion is a change', [...watching, { type: 'deleted', id: 'a', resourceVersion: '11' }], '-a'],
    [
      'a deletion of what is not known is none',
      [...watching, { type: 'deleted', id: 'x', resourceVersion: '11' }],
      '',
    ],
    [
      'a watch that ends goes on from the last bookmark',
      [...watching, { type: 'bookmark', resourceVersion: '40' }, { type: 'watch-ended', failure: null }],
      'watch 40',
    ],
    [
      'a watch that ends at once again waits a little',
      [
        ...watching,
        { type: 'watch-ended', failure: null },
        { type: 'opened' },
        { type: 'watch-ended', failure: null },
      ],
      'wait 600',
    ],
    [
      'a cut watch goes on from the last event',
      [
        ...watching,
        { type: 'changed', item: item('a', 12) },
        { type: 'watch-ended', failure: cut },
        { type: 'due' },
      ],
      'watch 12',
    ],
  ];
  for (const [name, inputs, expected] of cases) {
    test(name, () => assert.equal(told(after(inputs).last), expected));
  }
});

describe('what the server has forgotten is listed again', () => {
  test('at once, for 410 as a status', () => {
    const { last } = after([...watching, { type: 'watch-ended', failure: expired }]);
    assert.equal(told(last), 'list 500 ');
  });

  test('at once, for 410 as an event', () => {
    const { machine, last } = after([...watching, { type: 'error', failure: expired }]);
    assert.equal(told(last), 'stop-watch');
    assert.equal(told(machine.step({ type: 'changed', item: item('a', 11) })), '', 'too late to be heard');
    const ended = machine.step({ type: 'watch-ended', failure: failure('aborted', 'Aborted', '') });
    assert.equal(told(ended), 'list 500 ');
  });

  test('with what vanished meanwhile removed, and what stayed the same not told again', () => {
    const again = page(30, [item('a', 3), item('c', 20)]);
    const { last } = after([...watching, { type: 'watch-ended', failure: expired }, again]);
    assert.equal(told(last), '+c@20, -b, watch 30');
  });

  test('and nothing is removed before the list is complete', () => {
    const { last } = after([
      ...watching,
      { type: 'watch-ended', failure: expired },
      page(30, [item('c', 20)], 'more'),
    ]);
    assert.equal(told(last), '+c@20, list 500 more');
  });

  test('in one piece when its rest is gone too', () => {
    const { machine, last } = after([
      page(10, [item('a', 3)], 'more'),
      { type: 'list-failed', failure: expired },
    ]);
    assert.equal(told(last), 'list 0 ');
    assert.equal(told(machine.step(page(20, [item('b', 15)]))), '+b@15, -a, watch 20');
  });

  test('but not again and again without a pause', () => {
    const { last } = after([
      ...watching,
      { type: 'watch-ended', failure: expired },
      page(10, [item('a', 3)]),
      { type: 'watch-ended', failure: expired },
    ]);
    assert.match(told(last), /^wait/);
  });

  test('when versions go backwards: the data of the server was set back', () => {
    const { machine, last } = after([...watching, { type: 'bookmark', resourceVersion: '9' }]);
    assert.equal(told(last), 'stop-watch');
    assert.equal(told(machine.step({ type: 'watch-ended', failure: cut })), 'list 500 ');
    // The same number may now stand for another content.
    assert.equal(told(machine.step(page(8, [item('a', 3)]))), '+a@3, -b, watch 8');
  });

  test('when a watch is silent three times over', () => {
    const silent: Input = { type: 'watch-ended', failure: failure('timeout', 'Timeout', 'silent') };
    const { machine } = after([...watching]);
    for (const expected of ['watch 10', 'watch 10', 'list 500 ']) {
      machine.step(silent);
      assert.equal(told(machine.step({ type: 'due' })), expected);
      machine.step({ type: 'opened' });
    }
  });

  test('when a line makes no sense twice at the same place', () => {
    const { machine, last } = after([...watching, { type: 'bad-line' }]);
    assert.equal(told(last), 'stop-watch');
    assert.equal(told(machine.step({ type: 'watch-ended', failure: cut })), 'watch 10');
    assert.equal(told(machine.step({ type: 'bad-line' })), 'stop-watch');
    machine.step({ type: 'watch-ended', failure: cut });
    assert.equal(told(machine.step({ type: 'due' })), 'list 500 ');
  });
});

describe('failures', () => {
  const wait = (step: Step) => (step.command?.do === 'wait' ? step.command.ms : null);

  test('are met with longer and longer pauses, and what is known stays', () => {
    const machine = new ListWatch(false, () => 1);
    machine.step({ type: 'start' });
    const pauses: (number | null)[] = [];
    for (let i = 0; i < 9; i++) {
      const step = machine.step({ type: 'list-failed', failure: refused(500, 'InternalError') });
      assert.deepEqual(step.changes, []);
      pauses.push(wait(step));
      machine.step({ type: 'due' });
    }
    assert.deepEqual(pauses, [400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
    assert.equal(machine.status, 'failing');
  });

  test('an event ends them', () => {
    const { machine } = after([...watching, { type: 'watch-ended', failure: cut }, { type: 'due' }]);
    machine.step({ type: 'opened' });
    machine.step({ type: 'changed', item: item('a', 12) });
    assert.equal(machine.status, 'live');
    assert.equal(wait(machine.step({ type: 'watch-ended', failure: cut })), 300);
  });

  test('Retry-After is obeyed', () => {
    const { last } = after([{ type: 'list-failed', failure: refused(429, 'TooManyRequests', '7') }]);
    assert.equal(wait(last), 7350);
  });

  test('an overloaded server is asked for the same watch again', () => {
    const { machine, last } = after([...watching, { type: 'error', failure: refused(503, 'Unavailable') }]);
    assert.equal(told(last), 'stop-watch');
    assert.match(told(machine.step({ type: 'watch-ended', failure: cut })), /^wait/);
    assert.equal(told(machine.step({ type: 'due' })), 'watch 10');
  });

  test('a page that is too large is asked for in smaller pieces', () => {
    const tooLarge: Input = { type: 'list-failed', failure: failure('malformed', 'TooLarge', '') };
    const { machine } = after([]);
    const limits = [0, 1, 2, 3].map(() => told(machine.step(tooLarge)));
    assert.deepEqual(limits, ['list 100 ', 'list 20 ', 'list 4 ', 'list 1 ']);
    assert.match(told(machine.step(tooLarge)), /^wait/);
  });

  test('a forbidden kind fails, and is asked for again', () => {
    const { machine, last } = after([{ type: 'list-failed', failure: refused(403, 'Forbidden') }]);
    assert.deepEqual([machine.status, machine.isSynced, wait(last)], ['failing', false, 300]);
  });
});

describe('a kind that the cluster does not have', () => {
  const missing: Input = { type: 'list-failed', failure: refused(404, 'NotFound') };

  test('is known to be empty, and asked for ever more rarely', () => {
    const { machine } = after([missing], true);
    assert.deepEqual([machine.status, machine.isSynced], ['absent', true]);
    let pause = 0;
    for (let i = 0; i < 20; i++) {
      machine.step({ type: 'due' });
      const { command } = machine.step(missing);
      pause = command?.do === 'wait' ? command.ms : 0;
    }
    assert.equal(pause, 225_000);
  });

  test('is asked for at short intervals again when it may have come', () => {
    const { machine } = after([missing, { type: 'due' }, missing, { type: 'due' }, missing], true);
    machine.hurry();
    assert.equal(told(machine.step({ type: 'due' })), 'list 500 ');
    assert.equal(told(machine.step(missing)), 'wait 300');
    machine.step({ type: 'due' });
    assert.equal(told(machine.step(page(9, [item('a', 8)]))), '+a@8, watch 9');
  });

  test('that goes takes its objects along', () => {
    const { machine } = after(
      [...watching, { type: 'watch-ended', failure: refused(404, 'NotFound') }],
      true,
    );
    assert.equal(told(machine.step({ type: 'due' })), 'list 500 ');
    assert.equal(told(machine.step(missing)), '-a, -b, wait 600');
    assert.equal(machine.status, 'absent');
  });

  test('is a failure when there can be no cluster without it', () => {
    const { machine } = after([missing]);
    assert.deepEqual([machine.status, machine.isSynced], ['failing', false]);
  });
});
