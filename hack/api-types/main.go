// Command api-types prints how Go reads and writes the stable kinds of Kubernetes: one block for each struct, one line for
// each field. The embedded server serves these kinds as data; it completes JSON and decodes protobuf by this table (API-5).
//
//	:<type>                        the type as OpenAPI names it, without io.k8s.api
//	<json> <number> <kind> <flags> [<scalar>]
//
// kind: s string, b bool, i integer, y bytes, @<type> struct, or time, micro, intstr, quantity, raw,
// fields, extra; behind [] for lists and {} for maps. Flags: p pointer, o omitempty, z omitzero, n inlined in JSON, - none.
// scalar: the type of the scalars in it, where that is one of their own.
package main

import (
	"bufio"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"sort"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/scheme"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

var stable = regexp.MustCompile(`^v[0-9]+$`)

// Types whose JSON or protobuf form is not that of their fields.
var special = map[reflect.Type]string{
	reflect.TypeFor[metav1.Time]():                 "time",
	reflect.TypeFor[metav1.MicroTime]():            "micro",
	reflect.TypeFor[intstr.IntOrString]():          "intstr",
	reflect.TypeFor[resource.Quantity]():           "quantity",
	reflect.TypeFor[runtime.RawExtension]():        "raw",
	reflect.TypeFor[metav1.FieldsV1]():             "fields",
	reflect.TypeFor[authenticationv1.ExtraValue](): "extra",
	reflect.TypeFor[certificatesv1.ExtraValue]():   "extra",
}

type table struct {
	blocks map[string][]string
}

func main() {
	types := table{blocks: map[string][]string{}}
	types.add(reflect.TypeFor[apiregistrationv1.APIService]())
	types.add(reflect.TypeFor[metav1.Status]())
	types.add(reflect.TypeFor[metav1.DeleteOptions]())
	for kind, found := range scheme.Scheme.AllKnownTypes() {
		_, object := found.FieldByName("ObjectMeta")
		if object && stable.MatchString(kind.Version) {
			types.add(found)
		}
	}
	names := make([]string, 0, len(types.blocks))
	for name := range types.blocks {
		names = append(names, name)
	}
	sort.Strings(names)
	out := bufio.NewWriter(os.Stdout)
	for _, name := range names {
		fmt.Fprintf(out, ":%s\n", name)
		for _, line := range types.blocks[name] {
			fmt.Fprintln(out, line)
		}
	}
	if err := out.Flush(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// name is what OpenAPI calls a type, shortened.
func name(found reflect.Type) string {
	path := strings.TrimPrefix(found.PkgPath(), "k8s.io/")
	return strings.TrimPrefix(strings.ReplaceAll(path, "/", "."), "api.") + "." + found.Name()
}

func (types table) add(found reflect.Type) {
	if _, known := types.blocks[name(found)]; known {
		return
	}
	types.blocks[name(found)] = nil
	var lines []string
	for field := range found.Fields() {
		if line := types.field(found, field); line != "" {
			lines = append(lines, line)
		}
	}
	types.blocks[name(found)] = lines
}

func (types table) field(owner reflect.Type, field reflect.StructField) string {
	number := strings.Split(field.Tag.Get("protobuf"), ",")
	if len(number) < 2 {
		if field.Name != "TypeMeta" {
			fmt.Fprintf(os.Stderr, "%s.%s has no number\n", owner, field.Name)
		}
		return ""
	}
	words := strings.Split(field.Tag.Get("json"), ",")
	flags, kind := "", field.Type
	if kind.Kind() == reflect.Pointer {
		flags, kind = "p", kind.Elem()
	}
	for _, word := range words[1:] {
		switch word {
		case "omitempty":
			flags += "o"
		case "omitzero":
			flags += "z"
		case "inline":
			flags += "n"
		}
	}
	if flags == "" {
		flags = "-"
	}
	json := words[0]
	if json == "" {
		json = "."
	}
	line := fmt.Sprintf("%s %s %s %s", json, number[1], types.kind(kind), flags)
	if scalar := scalar(kind); scalar != "" {
		line += " " + scalar
	}
	return line
}

// scalar is the type of the scalars in a type, where it is one of their own.
func scalar(found reflect.Type) string {
	if _, known := special[found]; known {
		return ""
	}
	switch found.Kind() {
	case reflect.Slice, reflect.Map, reflect.Pointer:
		return scalar(found.Elem())
	case reflect.String, reflect.Bool, reflect.Int32, reflect.Int64, reflect.Int:
		if name := found.String(); name != "string" && name != "bool" && name != "int32" {
			return name
		}
	}
	return ""
}

func (types table) kind(found reflect.Type) string {
	if word, known := special[found]; known {
		return word
	}
	switch found.Kind() {
	case reflect.String:
		return "s"
	case reflect.Bool:
		return "b"
	case reflect.Int32, reflect.Int64, reflect.Int:
		return "i"
	case reflect.Struct:
		types.add(found)
		return "@" + name(found)
	case reflect.Slice:
		if found.Elem().Kind() == reflect.Uint8 {
			return "y"
		}
		return "[]" + types.kind(found.Elem())
	case reflect.Map:
		return "{}" + types.kind(found.Elem())
	case reflect.Pointer:
		return types.kind(found.Elem())
	default:
		panic(fmt.Sprintf("no word for %s", found))
	}
}
