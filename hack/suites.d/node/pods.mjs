// Logs of a Pod that mirrors a real process, and a command inside it (API-3, API-19).
import assert from 'node:assert/strict';
import { PassThrough, Readable } from 'node:stream';
import * as k8s from '@kubernetes/client-node';
import { kubeconfig, run, until } from './cases.mjs';

const config = kubeconfig();
const core = config.makeApiClient(k8s.CoreV1Api);
const namespace = 'default';
const name = process.argv[2];
const pod = await core.readNamespacedPod({ name, namespace });
const container = pod.spec.containers[0].name;

/** A stream that keeps what was written. */
function kept() {
  const stream = new PassThrough();
  stream.text = '';
  stream.on('data', (bytes) => { stream.text += bytes; });
  return stream;
}

async function executed(command, stdin) {
  const [stdout, stderr] = [kept(), kept()];
  let end;
  const ended = new Promise((resolve) => { end = resolve; });
  await new k8s.Exec(config).exec(namespace, name, container, command, stdout, stderr, stdin, false, end);
  const status = await ended;
  return { status, stdout: stdout.text, stderr: stderr.text };
}

await run('pods', {
  async a_pod_is_read() {
    assert.equal(pod.status.phase, 'Running');
    assert.equal(pod.metadata.ownerReferences[0].kind, 'ServiceSpec');
  },

  async logs_of_a_number_of_lines() {
    const text = await core.readNamespacedPodLog({ name, namespace, container, tailLines: 1, timestamps: true });
    assert.match(text, /^\d{4}-\d\d-\d\dT[^\n]+\n$/);
  },

  async logs_as_a_stream() {
    const stream = kept();
    // Not aborted: the client listens to no error of its stream, and the abort is one.
    await new k8s.Log(config).log(namespace, name, container, stream, { follow: true });
    await until('the line is there', () => stream.text.includes('Ready to accept connections'));
  },

  async logs_of_a_pod_that_is_missing() {
    const call = new k8s.Log(config).log(namespace, 'nobody', container, kept(), {});
    await assert.rejects(call, (error) => error.code === 404);
  },

  async a_command_with_both_outputs() {
    const done = await executed(['sh', '-c', 'echo out; echo bad >&2'], null);
    assert.deepEqual([done.stdout, done.stderr, done.status.status], ['out\n', 'bad\n', 'Success']);
  },

  async a_command_that_reads_its_input() {
    const done = await executed(['sh', '-c', 'read line; echo got $line'], Readable.from(['it\n']));
    assert.deepEqual([done.stdout, done.status.status], ['got it\n', 'Success']);
  },

  async the_exit_code_of_a_command() {
    const { status } = await executed(['sh', '-c', 'exit 7'], null);
    assert.deepEqual([status.status, status.reason], ['Failure', 'NonZeroExitCode']);
    assert.deepEqual(status.details.causes, [{ reason: 'ExitCode', message: '7' }]);
  },

  async a_pod_that_is_deleted_comes_back_as_another() {
    await core.deleteNamespacedPod({ name, namespace });
    await until('another pod is ready', async () => {
      const found = await core.readNamespacedPod({ name, namespace }).catch(() => null);
      const ready = found?.status.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True');
      return ready && found.metadata.uid !== pod.metadata.uid;
    });
  },
});
