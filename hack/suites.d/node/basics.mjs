// Typed and dynamic calls of the client on the kinds that every Koan serves, and on one that a user brings (API-1, API-2, API-7 to API-13).
import assert from 'node:assert/strict';
import * as k8s from '@kubernetes/client-node';
import { kubeconfig, refusal, run, until } from './cases.mjs';

const config = kubeconfig();
const core = config.makeApiClient(k8s.CoreV1Api);
const custom = config.makeApiClient(k8s.CustomObjectsApi);
const objects = k8s.KubernetesObjectApi.makeApiClient(config);
const namespace = 'default';
const CUPS = { group: 'kitchen.example.com', version: 'v1', namespace, plural: 'cups' };

const as = (type) => k8s.setHeaderOptions('Content-Type', type);
const map = (name, data, labels) => ({ metadata: { name, labels }, data });
const cup = (name, spec) => ({ apiVersion: 'kitchen.example.com/v1', kind: 'Cup', metadata: { name }, spec });

/** Watches until `enough` says so; what it saw. */
async function watched(path, query, enough) {
  const seen = [];
  let end;
  const done = new Promise((resolve, reject) => { end = { resolve, reject }; });
  const request = await new k8s.Watch(config).watch(path, query, (type, object) => {
    seen.push([type, object]);
    if (enough(seen)) end.resolve();
  }, (error) => (error && error.name !== 'AbortError' ? end.reject(error) : end.resolve()));
  return { seen, stop: async () => { await done; request.abort(); return seen; } };
}

await run('basics', {
  async version_and_health() {
    const version = await config.makeApiClient(k8s.VersionApi).getCode();
    assert.match(version.gitVersion, /^v1\.36\.0\+koan\./);
    const health = new k8s.Health(config);
    assert.deepEqual([await health.readyz({}), await health.livez({})], [true, true]);
  },

  async discovery() {
    const groups = await config.makeApiClient(k8s.ApisApi).getAPIVersions();
    const names = groups.groups.map((group) => group.name);
    for (const name of ['koan.dev', 'apiextensions.k8s.io', 'coordination.k8s.io']) assert.ok(names.includes(name), `${name} in ${names}`);
    const resources = await core.getAPIResources();
    assert.ok(resources.resources.some((resource) => resource.name === 'pods/exec'));
    const stacks = await custom.getAPIResources({ group: 'koan.dev', version: 'v1alpha1' });
    assert.ok(stacks.resources.some((resource) => resource.name === 'devstacks'));
  },

  async create_read_replace_delete() {
    const made = await core.createNamespacedConfigMap({ namespace, body: map('plain', { a: '1' }) });
    assert.ok(made.metadata.uid && made.metadata.creationTimestamp instanceof Date);
    const read = await core.readNamespacedConfigMap({ name: 'plain', namespace });
    assert.deepEqual(read.data, { a: '1' });
    const replaced = await core.replaceNamespacedConfigMap({ name: 'plain', namespace, body: { ...read, data: { b: '2' } } });
    assert.deepEqual(replaced.data, { b: '2' });
    const status = await core.deleteNamespacedConfigMap({ name: 'plain', namespace });
    assert.deepEqual([status.status, status.details.kind, status.details.uid], ['Success', 'configmaps', made.metadata.uid]);
  },

  async a_secret_of_strings() {
    const made = await core.createNamespacedSecret({ namespace, body: { metadata: { name: 'login' }, stringData: { user: 'me' } } });
    assert.deepEqual([made.type, made.data], ['Opaque', { user: Buffer.from('me').toString('base64') }]);
    await core.deleteNamespacedSecret({ name: 'login', namespace });
  },

  async lists_in_pages_with_selectors() {
    for (let i = 0; i < 7; i++) await core.createNamespacedConfigMap({ namespace, body: map(`page-${i}`, {}, { of: 'pages' }) });
    const names = [];
    let page = await core.listNamespacedConfigMap({ namespace, limit: 3 });
    const version = page.metadata.resourceVersion;
    for (;;) {
      names.push(...page.items.map((item) => item.metadata.name));
      assert.equal(page.metadata.resourceVersion, version);
      if (!page.metadata._continue) break;
      page = await core.listNamespacedConfigMap({ namespace, limit: 3, _continue: page.metadata._continue });
    }
    assert.deepEqual(names.filter((name) => name.startsWith('page-')).length, 7);
    const selected = await core.listNamespacedConfigMap({ namespace, labelSelector: 'of=pages', fieldSelector: 'metadata.name=page-3' });
    assert.deepEqual(selected.items.map((item) => item.metadata.name), ['page-3']);
    await core.deleteCollectionNamespacedConfigMap({ namespace, labelSelector: 'of=pages' });
    assert.equal((await core.listConfigMapForAllNamespaces({ labelSelector: 'of=pages' })).items.length, 0);
  },

  async a_watch_sees_each_version_in_order() {
    const { metadata } = await core.listNamespacedConfigMap({ namespace });
    const query = { resourceVersion: metadata.resourceVersion, labelSelector: 'of=watch' };
    const watch = await watched('/api/v1/namespaces/default/configmaps', query, (seen) => seen.length === 4);
    await core.createNamespacedConfigMap({ namespace, body: map('seen', { n: '0' }, { of: 'watch' }) });
    for (const n of ['1', '2']) {
      await core.patchNamespacedConfigMap({ name: 'seen', namespace, body: { data: { n } } }, as(k8s.PatchStrategy.MergePatch));
    }
    await core.deleteNamespacedConfigMap({ name: 'seen', namespace });
    const seen = await watch.stop();
    assert.deepEqual(seen.map(([type, object]) => `${type} ${object.data.n}`), ['ADDED 0', 'MODIFIED 1', 'MODIFIED 2', 'DELETED 2']);
  },

  async a_watch_from_a_forgotten_version_says_expired() {
    const watch = await watched('/api/v1/configmaps', { resourceVersion: '1' }, (seen) => seen.length === 1);
    const [[type, status]] = await watch.stop();
    assert.deepEqual([type, status.code, status.reason], ['ERROR', 410, 'Expired']);
  },

  async all_patch_types_of_a_core_kind() {
    await core.createNamespacedConfigMap({ namespace, body: map('patched', { a: '1', b: '2' }) });
    const patch = async (type, body, more = {}) =>
      (await core.patchNamespacedConfigMap({ name: 'patched', namespace, body, ...more }, as(type))).data;
    assert.deepEqual(await patch(k8s.PatchStrategy.JsonPatch, [{ op: 'replace', path: '/data/a', value: 'json' }]), { a: 'json', b: '2' });
    assert.deepEqual(await patch(k8s.PatchStrategy.MergePatch, { data: { b: null, c: 'merge' } }), { a: 'json', c: 'merge' });
    assert.deepEqual(await patch(k8s.PatchStrategy.StrategicMergePatch, { data: { $patch: 'replace', d: 'strategic' } }), { d: 'strategic' });
    const apply = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'patched' }, data: { e: 'apply' } };
    assert.deepEqual(await patch(k8s.PatchStrategy.ServerSideApply, apply, { fieldManager: 'node' }), { d: 'strategic', e: 'apply' });
    const managers = (await core.readNamespacedConfigMap({ name: 'patched', namespace })).metadata.managedFields;
    assert.ok(managers.some((entry) => entry.manager === 'node' && entry.operation === 'Apply'));
    const conflict = await refusal(patch(k8s.PatchStrategy.ServerSideApply, { ...apply, data: { e: 'other' } }, { fieldManager: 'somebody' }));
    assert.deepEqual([conflict.http, conflict.reason, conflict.details.causes[0].field], [409, 'Conflict', '.data.e']);
    await core.deleteNamespacedConfigMap({ name: 'patched', namespace });
  },

  async a_kind_of_ones_own() {
    const crd = {
      apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: 'cups.kitchen.example.com' },
      spec: {
        group: CUPS.group, scope: 'Namespaced', names: { kind: 'Cup', plural: CUPS.plural },
        versions: [{
          name: 'v1', served: true, storage: true,
          subresources: { status: {}, scale: { specReplicasPath: '.spec.size', statusReplicasPath: '.status.size' } },
          schema: { openAPIV3Schema: { type: 'object', properties: {
            spec: { type: 'object', properties: { size: { type: 'integer', _default: 2, maximum: 9 } } },
            status: { type: 'object', properties: { size: { type: 'integer' } } },
          } } },
        }],
      },
    };
    const extensions = config.makeApiClient(k8s.ApiextensionsV1Api);
    await extensions.createCustomResourceDefinition({ body: crd });
    await until('the kind is established', async () => {
      const { status } = await extensions.readCustomResourceDefinition({ name: crd.metadata.name });
      return status.conditions?.some((condition) => condition.type === 'Established' && condition.status === 'True');
    });
    const made = await custom.createNamespacedCustomObject({ ...CUPS, body: cup('mug', {}) });
    assert.equal(made.spec.size, 2);
    const one = { ...CUPS, name: 'mug' };
    const merged = await custom.patchNamespacedCustomObject({ ...one, body: { spec: { size: 3 } } }, as(k8s.PatchStrategy.MergePatch));
    assert.equal(merged.spec.size, 3);
    const json = [{ op: 'replace', path: '/spec/size', value: 4 }];
    assert.equal((await custom.patchNamespacedCustomObject({ ...one, body: json }, as(k8s.PatchStrategy.JsonPatch))).spec.size, 4);
    const applied = await custom.patchNamespacedCustomObject(
      { ...one, body: cup('mug', { size: 5 }), fieldManager: 'node', force: true }, as(k8s.PatchStrategy.ServerSideApply));
    assert.equal(applied.spec.size, 5);
    const strategic = await refusal(custom.patchNamespacedCustomObject({ ...one, body: {} }, as(k8s.PatchStrategy.StrategicMergePatch)));
    assert.deepEqual([strategic.http, strategic.reason], [415, 'UnsupportedMediaType']);
    const invalid = await refusal(custom.patchNamespacedCustomObject({ ...one, body: { spec: { size: 10 } } }, as(k8s.PatchStrategy.MergePatch)));
    assert.deepEqual([invalid.http, invalid.reason, invalid.details.causes[0].field], [422, 'Invalid', 'spec.size']);
    const status = await custom.patchNamespacedCustomObjectStatus({ ...one, body: { status: { size: 1 } } }, as(k8s.PatchStrategy.MergePatch));
    assert.deepEqual([status.status.size, status.metadata.generation], [1, applied.metadata.generation]);
    const scale = await custom.getNamespacedCustomObjectScale(one);
    assert.deepEqual([scale.kind, scale.spec.replicas, scale.status.replicas], ['Scale', 5, 1]);
    const listed = await custom.listNamespacedCustomObject(CUPS);
    assert.deepEqual([listed.kind, listed.items.length], ['CupList', 1]);
    await custom.deleteNamespacedCustomObject(one);
    await extensions.deleteCustomResourceDefinition({ name: crd.metadata.name });
    const gone = async () => (await custom.listNamespacedCustomObject(CUPS).then(() => 200, (error) => error.code)) === 404;
    await until('the kind is gone', gone);
  },

  async objects_of_any_kind() {
    const stack = {
      apiVersion: 'koan.dev/v1alpha1', kind: 'DevStack', metadata: { name: 'any', namespace },
      spec: { services: [{ name: 'cache', adapter: 'redis' }] },
    };
    const made = await objects.create(stack, undefined, 'All');
    assert.equal(made.metadata.name, 'any');
    assert.equal((await refusal(objects.read(stack))).http, 404);
    const config = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'any', namespace }, data: { a: '1' } };
    await objects.create(config);
    const patched = await objects.patch({ ...config, data: { b: '2' } }, undefined, undefined, 'node', true, k8s.PatchStrategy.ServerSideApply);
    assert.equal(patched.data.b, '2');
    const list = await objects.list('v1', 'ConfigMap', namespace);
    assert.ok(list.items.some((item) => item.metadata.name === 'any'));
    assert.equal((await objects.delete(config)).status, 'Success');
  },

  async refusals_carry_their_status() {
    const missing = await refusal(core.readNamespacedConfigMap({ name: 'nobody', namespace }));
    assert.deepEqual([missing.http, missing.code, missing.reason, missing.details], [404, 404, 'NotFound', { name: 'nobody', kind: 'configmaps' }]);
    assert.equal(missing.message, 'configmaps "nobody" not found');
    const body = map('twice', {});
    const first = await core.createNamespacedConfigMap({ namespace, body });
    assert.equal((await refusal(core.createNamespacedConfigMap({ namespace, body }))).reason, 'AlreadyExists');
    await core.patchNamespacedConfigMap({ name: 'twice', namespace, body: { data: { a: '1' } } }, as(k8s.PatchStrategy.MergePatch));
    const stale = await refusal(core.replaceNamespacedConfigMap({ name: 'twice', namespace, body: first }));
    assert.deepEqual([stale.http, stale.reason], [409, 'Conflict']);
    assert.match(stale.message, /the object has been modified; please apply your changes to the latest version and try again/);
    const named = await refusal(core.createNamespacedConfigMap({ namespace, body: map('Not A Name', {}) }));
    assert.deepEqual([named.http, named.reason, named.details.causes[0].field], [422, 'Invalid', 'metadata.name']);
    const pod = { metadata: { name: 'x' }, spec: { containers: [{ name: 'x', image: 'x' }] } };
    assert.equal((await refusal(core.createNamespacedPod({ namespace, body: pod }))).http, 403);
    const nowhere = await refusal(core.createNamespacedConfigMap({ namespace: 'nowhere', body }));
    assert.deepEqual([nowhere.http, nowhere.message], [404, 'namespaces "nowhere" not found']);
    await core.deleteNamespacedConfigMap({ name: 'twice', namespace });
  },

  async what_nothing_runs_is_refused() {
    const apps = config.makeApiClient(k8s.AppsV1Api);
    const call = apps.listNamespacedDeployment({ namespace });
    await assert.rejects(call, (error) => error.code === 404);
  },

  async a_wrong_token_is_unauthorized() {
    const other = kubeconfig();
    other.users = [{ name: other.getCurrentUser().name, token: 'wrong' }];
    // The client keeps no body of a 401.
    await assert.rejects(other.makeApiClient(k8s.CoreV1Api).listNamespace(), (error) => error.code === 401);
  },

  async namespaces_come_and_go_with_what_they_hold() {
    await core.createNamespace({ body: { metadata: { name: 'room' } } });
    await core.readNamespacedServiceAccount({ name: 'default', namespace: 'room' });
    await core.createNamespacedConfigMap({ namespace: 'room', body: map('inside', {}) });
    await core.deleteNamespace({ name: 'room' });
    await until('the namespace is gone', async () => !(await core.listNamespace()).items.some((item) => item.metadata.name === 'room'));
  },

  async leases_events_and_reviews() {
    const leases = config.makeApiClient(k8s.CoordinationV1Api);
    const renewTime = new k8s.V1MicroTime();
    const lease = await leases.createNamespacedLease({ namespace, body: { metadata: { name: 'turn' }, spec: { holderIdentity: 'me', renewTime } } });
    assert.equal(lease.spec.holderIdentity, 'me');
    await leases.deleteNamespacedLease({ name: 'turn', namespace });
    const involvedObject = { kind: 'ConfigMap', name: 'x', namespace };
    await core.createNamespacedEvent({ namespace, body: { metadata: { name: 'x.1' }, involvedObject, reason: 'Tried', message: 'by node', type: 'Normal' } });
    const events = await config.makeApiClient(k8s.EventsV1Api).listNamespacedEvent({ namespace });
    assert.ok(events.items.some((event) => event.note === 'by node' && event.regarding.name === 'x'));
    const spec = { resourceAttributes: { verb: 'create', resource: 'pods', namespace } };
    const review = await config.makeApiClient(k8s.AuthorizationV1Api).createSelfSubjectAccessReview({ body: { spec } });
    assert.equal(review.status.allowed, false);
  },
});
