// Package greeter keeps one ConfigMap beside each Deployment that asks for it: small enough to read, real enough to test.
package greeter

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

// Annotation holds the greeting of a Deployment.
const Annotation = "example.koan.dev/greeting"

// Greeter reconciles Deployments.
type Greeter struct {
	client.Client
}

// Reconcile writes the greeting of a Deployment into a ConfigMap that it owns.
func (g *Greeter) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var deployment appsv1.Deployment
	if err := g.Get(ctx, request.NamespacedName, &deployment); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	greeting, wanted := deployment.Annotations[Annotation]
	if !wanted {
		return ctrl.Result{}, nil
	}
	config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: deployment.Name, Namespace: deployment.Namespace}}
	_, err := controllerutil.CreateOrUpdate(ctx, g.Client, config, func() error {
		config.Data = map[string]string{"greeting": greeting}
		return controllerutil.SetControllerReference(&deployment, config, g.Scheme())
	})
	return ctrl.Result{}, err
}

// SetupWithManager watches Deployments and the ConfigMaps that they own.
func (g *Greeter) SetupWithManager(manager ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(manager).For(&appsv1.Deployment{}).Owns(&corev1.ConfigMap{}).Complete(g)
}
