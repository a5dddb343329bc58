package greeter

import (
	"context"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// start runs the reconciler until the test ends and gives a client that reads past its cache.
func start(t *testing.T) client.Client {
	t.Helper()
	log.SetLogger(zap.New(zap.UseDevMode(true)))
	manager, err := ctrl.NewManager(config, ctrl.Options{Metrics: server.Options{BindAddress: "0"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := (&Greeter{Client: manager.GetClient()}).SetupWithManager(manager); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- manager.Start(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	direct, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return direct
}

// eventually waits until the ConfigMap of a Deployment greets with these words.
func eventually(t *testing.T, api client.Client, key client.ObjectKey, words string) *corev1.ConfigMap {
	t.Helper()
	var found corev1.ConfigMap
	err := wait.PollUntilContextTimeout(t.Context(), 10*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		err := api.Get(ctx, key, &found)
		return err == nil && found.Data["greeting"] == words, client.IgnoreNotFound(err)
	})
	if err != nil {
		t.Fatalf("%s: %v, found %v", words, err, found.Data)
	}
	return &found
}

func TestADeploymentIsGreeted(t *testing.T) {
	api := start(t)
	labels := map[string]string{"app": "web"}
	deployment := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "default", Annotations: map[string]string{Annotation: "hello"}},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "nginx:1.27"}}},
			},
		},
	}
	if err := api.Create(t.Context(), deployment); err != nil {
		t.Fatal(err)
	}
	if deployment.Spec.Replicas == nil || *deployment.Spec.Replicas != 1 {
		t.Errorf("the server fills in one replica, not %v", deployment.Spec.Replicas)
	}
	key := client.ObjectKeyFromObject(deployment)
	config := eventually(t, api, key, "hello")
	if owner := metav1.GetControllerOf(config); owner == nil || owner.UID != deployment.UID {
		t.Errorf("the ConfigMap is owned by %v", owner)
	}

	// The reconciler follows a change, and mends what somebody else took away.
	change := client.MergeFrom(deployment.DeepCopy())
	deployment.Annotations[Annotation] = "good evening"
	if err := api.Patch(t.Context(), deployment, change); err != nil {
		t.Fatal(err)
	}
	config = eventually(t, api, key, "good evening")
	if err := api.Delete(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	if again := eventually(t, api, key, "good evening"); again.UID == config.UID {
		t.Error("the ConfigMap was not made anew")
	}

	// Owners take what they own with them: this server collects, which the envtest of Go does not.
	if err := api.Delete(t.Context(), deployment); err != nil {
		t.Fatal(err)
	}
	err := wait.PollUntilContextTimeout(t.Context(), 10*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		err := api.Get(ctx, key, &corev1.ConfigMap{})
		return err != nil && client.IgnoreNotFound(err) == nil, client.IgnoreNotFound(err)
	})
	if err != nil {
		t.Fatal(err)
	}
}
