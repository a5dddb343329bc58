// Writes ConfigMaps: write.mjs VERB:NAME..., where VERB is create, update or delete.
import * as k8s from '@kubernetes/client-node';
import { kubeconfig } from './cases.mjs';

const core = kubeconfig().makeApiClient(k8s.CoreV1Api);
const namespace = 'default';
const merge = k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.MergePatch);
const verbs = {
  create: (name) => core.createNamespacedConfigMap({ namespace, body: { metadata: { name } } }),
  update: (name) => core.patchNamespacedConfigMap({ namespace, name, body: { data: { written: 'again' } } }, merge),
  delete: (name) => core.deleteNamespacedConfigMap({ namespace, name }),
};
for (const word of process.argv.slice(2)) {
  const [verb, name] = word.split(':');
  await verbs[verb](name);
}
process.exit(0);
