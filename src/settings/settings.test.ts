import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { DEFAULT_LIMITS, DEFAULT_TIMEOUTS } from '../dataplane/config.ts';
import { ALL_OPTIONS } from './options.ts';
import { loadCommonSettings, loadSettings, type Settings, type SettingsInput } from './settings.ts';

const FOLDER = { manifests: '/manifests' };

function input(
  flags: Record<string, string | boolean>,
  environment: Record<string, string> = {},
): SettingsInput {
  return { flags: new Map(Object.entries(flags)), environment };
}

function load(flags: Record<string, string | boolean>, environment: Record<string, string> = {}): Settings {
  const loaded = loadSettings(input({ ...FOLDER, ...flags }, environment));
  if (!loaded.ok) assert.fail(loaded.errors.join('\n'));
  return loaded.settings;
}

function errorsOf(
  flags: Record<string, string | boolean>,
  environment: Record<string, string> = {},
): readonly string[] {
  const loaded = loadSettings(input({ ...FOLDER, ...flags }, environment));
  return loaded.ok ? [] : loaded.errors;
}

/** Runs `body` with the path of a settings file that holds `text`. */
function withFile(text: string, body: (path: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-settings-'));
  try {
    const path = join(folder, 'settings.yaml');
    writeFileSync(path, text);
    body(path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('without anything but a folder, every setting has its documented default', () => {
  const settings = load({});
  assert.deepEqual(settings.http, { address: '127.0.0.1', port: 8080 });
  assert.deepEqual(settings.https, { address: '127.0.0.1', port: 8443 });
  assert.deepEqual(settings.admin, { address: '127.0.0.1', port: 9090 });
  assert.equal(settings.workers, availableParallelism());
  assert.equal(settings.ingressClass, 'tidegate');
  assert.equal(settings.controller, 'tidegate.io/ingress-controller');
  assert.deepEqual(settings.accessLog, { enabled: true, sample: 1 });
  assert.deepEqual(settings.upgrades, ['*']);
  assert.deepEqual(settings.source, { kind: 'manifests', directory: '/manifests' });
});

test('limits and timeouts default to those of the data plane', () => {
  const settings = load({});
  assert.deepEqual(settings.limits, DEFAULT_LIMITS);
  assert.deepEqual(settings.timeouts, DEFAULT_TIMEOUTS);
});

test('a flag wins over the environment, which wins over the file, which wins over the default', () => {
  withFile('workers: 3\nlogLevel: warn\nlimits:\n  fieldCount: 7\n', (config) => {
    const environment = { TIDEGATE_CONFIG: config, TIDEGATE_WORKERS: '4', TIDEGATE_LOG_LEVEL: 'debug' };
    const settings = load({ workers: '5' }, environment);
    assert.equal(settings.workers, 5);
    assert.equal(settings.logLevel, 'debug');
    assert.equal(settings.limits.fieldCount, 7);
  });
});

test('--config wins over TIDEGATE_CONFIG', () => {
  withFile('workers: 3', (config) => {
    assert.equal(load({ config }, { TIDEGATE_CONFIG: '/does/not/exist' }).workers, 3);
  });
});

test('an empty environment variable counts as not set', () => {
  assert.deepEqual(load({}, { TIDEGATE_HTTP: '' }).http, { address: '127.0.0.1', port: 8080 });
});

test('a variable that is no setting is named with what it was probably meant to be, but not with its value', () => {
  const environment = {
    TIDEGATE_HTPP: ':1',
    TIDEGATE_ACCESSLOG: 'secret',
    TIDEGATE_ZZZ: '1',
    TIDEGATE_LOST: '',
  };
  assert.deepEqual(load({}, environment).warnings, [
    'TIDEGATE_HTPP is not a setting and is ignored: did you mean TIDEGATE_HTTP?',
    'TIDEGATE_ACCESSLOG is not a setting and is ignored: did you mean TIDEGATE_ACCESS_LOG?',
    'TIDEGATE_ZZZ is not a setting and is ignored.',
  ]);
  assert.deepEqual(
    load({}, { TIDEGATE_HTTP: ':1', TIDEGATE_CONFIG: '', PATH: '/bin', TIDE: '1' }).warnings,
    [],
  );
});

test('a wrong start tells of mistyped variables too: they may be the reason', () => {
  const loaded = loadSettings(input({}, { TIDEGATE_MANIFEST: '/manifests' }));
  assert.ok(!loaded.ok);
  assert.match(
    loaded.errors.join('\n'),
    /no folder given.*\nTIDEGATE_MANIFEST .* did you mean TIDEGATE_MANIFESTS\?/,
  );
});

describe('variables that Kubernetes sets for a Service', () => {
  /** As the kubelet makes them: https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables */
  const setFor = (service: string): Record<string, string> => {
    const name = service.toUpperCase().replaceAll('-', '_');
    return {
      [`${name}_SERVICE_HOST`]: '10.0.0.11',
      [`${name}_SERVICE_PORT`]: '80',
      [`${name}_SERVICE_PORT_HTTP`]: '80',
      [`${name}_SERVICE_PORT_H2_C`]: '81',
      [`${name}_PORT`]: 'tcp://10.0.0.11:80',
      [`${name}_PORT_80_TCP`]: 'tcp://10.0.0.11:80',
      [`${name}_PORT_80_TCP_PROTO`]: 'tcp',
      [`${name}_PORT_80_TCP_PORT`]: '80',
      [`${name}_PORT_80_TCP_ADDR`]: '10.0.0.11',
      [`${name}_PORT_53_UDP`]: 'udp://[fd00::1]:53',
    };
  };

  for (const service of ['tidegate', 'tidegate-http', 'tidegate-webhook', 'tidegate-speaker-metrics']) {
    test(`named ${service} are neither settings nor worth a word`, () => {
      assert.deepEqual(load({}, setFor(service)), load({}));
    });
  }

  test('named tidegate-speaker do not reach the setting of the same name, which is said', () => {
    const { warnings, ...settings } = load({ speaker: true }, setFor('tidegate-speaker'));
    assert.equal(warnings.length, 1);
    assert.match(
      warnings[0] ?? '',
      /^TIDEGATE_SPEAKER_PORT: "tcp:\/\/10\.0\.0\.11:80" .* Service named tidegate-speaker.* is ignored/,
    );
    const { warnings: none, ...without } = load({ speaker: true });
    assert.deepEqual(none, []);
    assert.deepEqual(settings, without);
    assert.equal(load({ speaker: true }, { TIDEGATE_SPEAKER_PORT: '7000' }).speaker?.port, 7000);
  });

  test('can be those of no other setting', () => {
    const names = Object.keys(setFor('tidegate-x')).map((name) => name.replace('TIDEGATE_X', ''));
    const same = ALL_OPTIONS.filter(({ environment }) => names.some((name) => environment.endsWith(name)));
    assert.deepEqual(
      same.map(({ environment }) => environment),
      ['TIDEGATE_SPEAKER_PORT'],
    );
  });

  test('are mistyped settings when their values are not what Kubernetes gives', () => {
    assert.deepEqual(load({}, { TIDEGATE_HTTP_PORT: '8080' }).warnings, [
      'TIDEGATE_HTTP_PORT is not a setting and is ignored.',
    ]);
  });
});

describe('values', () => {
  const cases: readonly [
    flag: string,
    text: string | boolean,
    pick: (s: Settings) => unknown,
    expected: unknown,
  ][] = [
    ['http', '127.0.0.1:80', (s) => s.http, { address: '127.0.0.1', port: 80 }],
    ['http', '[::1]:0', (s) => s.http, { address: '::1', port: 0 }],
    ['http', ':8080', (s) => s.http, { address: '::', port: 8080 }],
    ['https', 'off', (s) => s.https, null],
    ['workers', 'auto', (s) => s.workers, availableParallelism()],
    ['access-log', 'off', (s) => s.accessLog.enabled, false],
    ['access-log-sample', '0.25', (s) => s.accessLog.sample, 0.25],
    [
      'trusted-proxies',
      '10.0.0.0/8, fd00::/8,192.0.2.1',
      (s) => s.trustedProxies,
      ['10.0.0.0/8', 'fd00::/8', '192.0.2.1/32'],
    ],
    ['upgrades', 'WebSocket,h2c', (s) => s.upgrades, ['websocket', 'h2c']],
    ['upgrades', '', (s) => s.upgrades, []],
    ['dns-servers', '10.0.0.1,[::1]:5353', (s) => s.dnsServers, ['10.0.0.1', '[::1]:5353']],
    ['send-forwarded', true, (s) => s.sendForwarded, true],
    ['external-names', 'off', (s) => s.externalNames.enabled, false],
    ['balance', 'ewma', (s) => s.balance, { kind: 'ewma' }],
    ['default-certificate', 'web/cert', (s) => s.defaultCertificate, { namespace: 'web', name: 'cert' }],
    ['limit-request-head-bytes', '16k', (s) => s.limits.requestHeadBytes, 16_384],
    ['limit-body-bytes', '1g', (s) => s.limits.bodyBytes, 1_073_741_824],
    ['timeout-request-head', '300ms', (s) => s.timeouts.requestHead, 300],
    ['timeout-response', '1.5s', (s) => s.timeouts.response, 1500],
    ['timeout-tunnel-idle', '2h', (s) => s.timeouts.tunnelIdle, 7_200_000],
    ['timeout-keep-alive', '0', (s) => s.timeouts.keepAlive, 0],
    ['drain', '5s', (s) => s.timeouts.drain, 5000],
    ['drain-delay', '3s', (s) => s.drainDelay, 3000],
  ];
  for (const [flag, text, pick, expected] of cases) {
    test(`--${flag} ${text} is understood`, () => assert.deepEqual(pick(load({ [flag]: text })), expected));
  }

  const refused: readonly [flag: string, text: string][] = [
    ['http', 'localhost:80'],
    ['http', '127.0.0.1'],
    ['http', '127.0.0.1:65536'],
    ['http', '::1:80'],
    ['http', '[127.0.0.1]:80'],
    ['workers', '0'],
    ['workers', '1.5'],
    ['access-log', 'yes'],
    ['access-log-sample', '1.1'],
    ['trusted-proxies', '10.0.0.0/33'],
    ['trusted-proxies', '10.0.0.0/'],
    ['upgrades', 'web socket'],
    ['dns-servers', 'dns.example'],
    ['dns-servers', ':53'],
    ['server-name', 'a\r\nb: c'],
    ['ingress-class', 'Tide_Gate'],
    ['controller', 'tidegate'],
    ['default-certificate', 'cert'],
    ['limit-field-count', '-1'],
    ['limit-request-line-bytes', '8kb'],
    ['timeout-response', '30'],
    ['timeout-response', '600h'],
    ['timeout-response', '-1s'],
  ];
  for (const [flag, text] of refused) {
    test(`--${flag} ${JSON.stringify(text)} is refused with what was expected`, () => {
      const [error, ...more] = errorsOf({ [flag]: text });
      assert.match(error ?? '', new RegExp(`^--${flag}: .* is not valid: expected .+\\.$`));
      assert.deepEqual(more, []);
    });
  }
});

test('all errors are told together, each with where the value came from', () => {
  withFile('workers: many\nlimits: {requests: 0}\n', (config) => {
    const errors = errorsOf({ config, http: 'here' }, { TIDEGATE_DRAIN: 'soon' });
    assert.deepEqual(
      errors.map((error) => error.split(' is not valid')[0]),
      [
        '--http: "here"',
        `${config}: workers: "many"`,
        `${config}: limits.requests: 0`,
        'TIDEGATE_DRAIN: "soon"',
      ],
    );
  });
});

test('a settings file with unknown keys is refused, with the key that was probably meant', () => {
  withFile('accessLogs: off\nlimits: {requestLineByte: 5, nonsense: 1}\n', (config) => {
    assert.deepEqual(errorsOf({ config }), [
      `${config}: accessLogs is not a setting: did you mean accessLog?`,
      `${config}: limits.requestLineByte is not a setting: did you mean limits.requestLineBytes?`,
      `${config}: limits.nonsense is not a setting.`,
    ]);
  });
});

describe('a settings file is refused with its name when it', () => {
  const cases: readonly [what: string, text: string, message: RegExp][] = [
    ['is not YAML', 'http: [', /not valid YAML/],
    ['is a list', '- http', /the file is not a mapping/],
    ['gives a section as a value', 'limits: 5', /limits is not a mapping/],
    ['names a key twice', 'workers: 1\nworkers: 2', /not valid YAML: .*unique/],
    [
      'gives a mapping as a value',
      'http: {port: 80}',
      /http: \{"port":80\} is not valid: expected an IP address/,
    ],
    ['gives nothing as a value', 'http:', /http: null is not valid/],
  ];
  for (const [what, text, message] of cases) {
    test(what, () => {
      withFile(text, (config) => {
        const errors = errorsOf({ config });
        assert.equal(errors.length, 1);
        assert.ok(errors[0]!.startsWith(`${config}: `));
        assert.match(errors[0]!, message);
      });
    });
  }
});

test('lists in the settings file are YAML lists or comma-separated text', () => {
  withFile('trustedProxies: [10.0.0.0/8, "::1/128"]\ndnsServers: 10.0.0.1, 10.0.0.2\n', (config) => {
    const settings = load({ config });
    assert.deepEqual(settings.trustedProxies, ['10.0.0.0/8', '::1/128']);
    assert.deepEqual(settings.dnsServers, ['10.0.0.1', '10.0.0.2']);
  });
});

test('a settings file that is not there is an error', () => {
  assert.match(
    errorsOf({ config: '/does/not/exist' })[0] ?? '',
    /^\/does\/not\/exist: the settings file cannot be read/,
  );
});

test('run needs a folder of manifests, other commands do not', () => {
  const nothing = input({});
  const run = loadSettings(nothing);
  assert.match(run.ok ? '' : run.errors.join(), /^--manifests: no folder given/);
  assert.equal(loadCommonSettings(nothing).ok, true);
});

describe('the source is a Kubernetes API server', () => {
  const cases: readonly [when: string, flags: Record<string, string>, environment: Record<string, string>][] =
    [
      ['when it is asked for', { source: 'kubernetes' }, {}],
      ['when there is a kubeconfig', {}, { TIDEGATE_KUBECONFIG: '/k' }],
      ['in a pod', {}, { KUBERNETES_SERVICE_HOST: '10.43.0.1' }],
    ];
  for (const [when, flags, environment] of cases) {
    test(when, () => {
      const loaded = loadSettings({ flags: new Map(Object.entries(flags)), environment });
      assert.ok(loaded.ok);
      assert.equal(loaded.settings.source.kind, 'kubernetes');
    });
  }
  test('but not in a pod that asks for manifests', () => {
    assert.deepEqual(errorsOf({ source: 'manifests' }, { KUBERNETES_SERVICE_HOST: '10.43.0.1' }), []);
  });
  test('with what else is to be known about it', () => {
    const flags = {
      kubeconfig: '/k',
      context: 'prod',
      namespaces: 'a, b,a',
      'watch-idle': '90s',
      'snapshot-cache': '/cache',
      'cache-secrets': 'on',
    };
    const loaded = loadSettings({ flags: new Map(Object.entries(flags)), environment: {} });
    assert.ok(loaded.ok);
    assert.deepEqual(loaded.settings.source, {
      kind: 'kubernetes',
      kubeconfig: '/k',
      context: 'prod',
      namespaces: ['a', 'b'],
      watchIdleMs: 90_000,
      cache: { file: '/cache', secrets: true },
    });
  });
  test('and a namespace has the name of one', () => {
    const [error = ''] = errorsOf({ source: 'kubernetes', namespaces: 'a,B' }, {});
    assert.match(error, /--namespaces.*"B" is not one/);
  });
});

describe('the list of options', () => {
  test('has no key, flag or variable twice', () => {
    for (const pick of ['key', 'flag', 'environment'] as const) {
      assert.equal(new Set(ALL_OPTIONS.map((option) => option[pick])).size, ALL_OPTIONS.length);
    }
  });
  for (const option of ALL_OPTIONS) {
    test(`gives --${option.flag} a default that it accepts and a sentence`, () => {
      if (option.default !== null) assert.equal(option.kind.schema.safeParse(option.default).success, true);
      assert.match(option.doc, /^[A-Z0-9].*\.$/);
    });
  }
});
