package greeter

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// config leads to the API server of this run of the tests.
var config *rest.Config

// TestMain starts the API server: the program is `koan` on PATH, or what KOAN names.
func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	home, err := os.MkdirTemp("", "koan-envtest-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(home)
	program := os.Getenv("KOAN")
	if program == "" {
		program = "koan"
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	server := exec.CommandContext(ctx, program, "serve", "--no-controller", "--extended-kinds")
	server.Env = append(os.Environ(), "KOAN_HOME="+filepath.Join(home, "state"))
	server.Cancel = func() error { return server.Process.Signal(os.Interrupt) }
	server.Stderr = os.Stderr
	if err := server.Start(); err != nil {
		return 0, err
	}
	defer func() { stop(); _ = server.Wait() }()
	// The file appears when the server is ready, never before.
	kubeconfig := filepath.Join(home, "state", "kubeconfig")
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(kubeconfig); err == nil {
			break
		}
		if time.Now().After(deadline) {
			return 0, fmt.Errorf("%s serve wrote no %s", program, kubeconfig)
		}
	}
	if config, err = clientcmd.BuildConfigFromFlags("", kubeconfig); err != nil {
		return 0, err
	}
	return m.Run(), nil
}
