"""A real Kubernetes node on this machine: kubelet, containerd and kube-proxy in own namespaces."""
