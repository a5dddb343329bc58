// Oracle for the server-side apply tests: runs sequences of operations through
// sigs.k8s.io/structured-merge-diff's merge.Updater and prints what came out.
//
// One JSON request per line on stdin, one JSON answer per line on stdout.
// The first request carries the schemas of the versions, each one the live object,
// the managers and one operation: between requests only the schemas are kept.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"sort"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/merge"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

const maxLine = 16 << 20

type owned struct {
	Fields  json.RawMessage `json:"fields"`
	Version string          `json:"version"`
	Applied bool            `json:"applied"`
}

type request struct {
	// Schemas in structured-merge-diff's own YAML (or JSON) form, by version.
	Schemas   map[string]json.RawMessage `json:"schemas"`
	Live      json.RawMessage            `json:"live"`
	Object    json.RawMessage            `json:"object"`
	Managers  map[string]owned           `json:"managers"`
	Manager   string                     `json:"manager"`
	Version   string                     `json:"version"`
	Operation string                     `json:"operation"` // "apply" or "update"
	Force     bool                       `json:"force"`
}

type conflict struct {
	Manager string `json:"manager"`
	Path    string `json:"path"`
}

type answer struct {
	Object    any              `json:"object"` // null: no change
	Managers  map[string]owned `json:"managers"`
	Conflicts []conflict       `json:"conflicts"`
	Error     string           `json:"error"`
}

// converter knows the types of each version; objects are the same in all of them.
type converter struct {
	types map[string]typed.ParseableType
}

type missingVersion struct{ version fieldpath.APIVersion }

func (m missingVersion) Error() string { return fmt.Sprintf("no version %q", m.version) }

func (c converter) Convert(object *typed.TypedValue, version fieldpath.APIVersion) (*typed.TypedValue, error) {
	parseable, ok := c.types[string(version)]
	if !ok {
		return nil, missingVersion{version}
	}
	if parseable.Schema == object.Schema() {
		return object, nil
	}
	return parseable.FromUnstructured(object.AsValue().Unstructured())
}

func (c converter) IsMissingVersionError(err error) bool {
	_, ok := err.(missingVersion)
	return ok
}

func parse(text json.RawMessage) (typed.ParseableType, error) {
	parser, err := typed.NewParser(typed.YAMLObject(text))
	if err != nil {
		return typed.ParseableType{}, err
	}
	return parser.Type("root"), nil
}

func decode(text json.RawMessage) (any, error) {
	decoded, err := value.FromJSON(text)
	if err != nil {
		return nil, err
	}
	return decoded.Unstructured(), nil
}

func run(req request, types converter) (answer, error) {
	for version, text := range req.Schemas {
		parseable, err := parse(text)
		if err != nil {
			return answer{}, err
		}
		types.types[version] = parseable
	}
	managers := fieldpath.ManagedFields{}
	for name, entry := range req.Managers {
		set := &fieldpath.Set{}
		if err := set.FromJSON(bytes.NewReader(entry.Fields)); err != nil {
			return answer{}, err
		}
		managers[name] = fieldpath.NewVersionedSet(set, fieldpath.APIVersion(entry.Version), entry.Applied)
	}
	liveValue, err := decode(req.Live)
	if err != nil {
		return answer{}, err
	}
	objectValue, err := decode(req.Object)
	if err != nil {
		return answer{}, err
	}
	parseable := types.types[req.Version]
	live, err := parseable.FromUnstructured(liveValue, typed.AllowDuplicates)
	if err != nil {
		return answer{}, err
	}
	updater := (&merge.UpdaterBuilder{Converter: types}).BuildUpdater()
	version := fieldpath.APIVersion(req.Version)
	var result *typed.TypedValue
	var after fieldpath.ManagedFields
	switch req.Operation {
	case "apply":
		object, err := parseable.FromUnstructured(objectValue)
		if err != nil {
			return answer{}, err
		}
		result, after, err = updater.Apply(live, object, version, managers, req.Manager, req.Force)
		if conflicts, ok := err.(merge.Conflicts); ok {
			return answer{Conflicts: list(conflicts)}, nil
		} else if err != nil {
			return answer{}, err
		}
	case "update":
		object, err := parseable.FromUnstructured(objectValue, typed.AllowDuplicates)
		if err != nil {
			return answer{}, err
		}
		result, after, err = updater.Update(live, object, version, managers, req.Manager)
		if err != nil {
			return answer{}, err
		}
	default:
		return answer{}, fmt.Errorf("unknown operation %q", req.Operation)
	}
	out := answer{Managers: map[string]owned{}}
	if result != nil {
		out.Object = result.AsValue().Unstructured()
	}
	for name, entry := range after {
		fields, err := entry.Set().ToJSON()
		if err != nil {
			return answer{}, err
		}
		out.Managers[name] = owned{Fields: fields, Version: string(entry.APIVersion()), Applied: entry.Applied()}
	}
	return out, nil
}

func list(conflicts merge.Conflicts) []conflict {
	out := []conflict{}
	for _, one := range conflicts {
		out = append(out, conflict{Manager: one.Manager, Path: one.Path.String()})
	}
	sort.Slice(out, func(i, j int) bool {
		if out[i].Manager != out[j].Manager {
			return out[i].Manager < out[j].Manager
		}
		return out[i].Path < out[j].Path
	})
	return out
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<16), maxLine)
	out := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(out)
	types := converter{types: map[string]typed.ParseableType{}}
	for in.Scan() {
		var req request
		var reply answer
		err := json.Unmarshal(in.Bytes(), &req)
		if err == nil {
			reply, err = run(req, types)
		}
		if err != nil {
			reply = answer{Error: err.Error()}
		}
		if encoder.Encode(reply) != nil || out.Flush() != nil {
			os.Exit(1)
		}
	}
	if in.Err() != nil {
		fmt.Fprintln(os.Stderr, in.Err())
		os.Exit(1)
	}
}
