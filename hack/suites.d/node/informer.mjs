// An informer on ConfigMaps that tells what it is called with, as lines {"verb": V, "name": N, "lists": how often it listed}. After an
// error it starts again, as the client's own example does, once a line of input allows it; the kubeconfig is read anew, since that of the
// next server carries another token. It ends with its input.
import { createInterface } from 'node:readline';
import * as k8s from '@kubernetes/client-node';
import { kubeconfig, tell } from './cases.mjs';

const config = kubeconfig();
let lists = 0;
const informer = k8s.makeInformer(config, '/api/v1/namespaces/default/configmaps', () => {
  lists += 1;
  return config.makeApiClient(k8s.CoreV1Api).listNamespacedConfigMap({ namespace: 'default' });
});
for (const verb of ['add', 'update', 'delete']) {
  informer.on(verb, (object) => tell({ verb, name: object.metadata.name, lists }));
}
informer.on('error', () => tell({ verb: 'error', name: '', lists }));
await informer.start();

const lines = createInterface(process.stdin);
lines.on('line', () => {
  config.loadFromFile(process.env.KUBECONFIG);
  informer.start();
});
lines.on('close', () => process.exit(0));
