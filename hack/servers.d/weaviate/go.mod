module koan.dev/hack/servers/weaviate

go 1.26.0

require github.com/weaviate/weaviate v1.39.0
