// Package config turns files, environment variables and flags into the typed
// settings that modules declare.
//
// Whoever has settings declares a Section: a key and a pointer to a struct that
// already holds the defaults.
//
//	type Config struct {
//		Addr        string        `koanf:"addr" usage:"listener for clients, host:port"`
//		ReadTimeout time.Duration `koanf:"read_timeout" usage:"longest time a request may take to arrive"`
//	}
//	cfg := Config{Addr: ":8080", ReadTimeout: 10 * time.Second}
//	section := config.Section{Key: "http", Target: &cfg}
//
// Load fills the structs from, in rising order of precedence, the defaults, the
// files in the order given, the environment and --set flags. It reports every
// fault it finds, not only the first: each names the file and line, variable or
// flag, the key, what is wrong and what is allowed.
//
// The tags of a field:
//
//	koanf:"name"     its key: lower snake case. "-" leaves the field out
//	usage:"…"        one line of help, with the unit where there is one
//	allowed:"a|b"    the only values it may have (of a list: each element)
//	min:"…" max:"…"  the range of a number, duration or size, both ends included
//	secret:"true"    never shown
//	keys:"upper"     of a map: its keys are upper case, such as currencies; else they are lower case
//
// A field is a string, bool, integer, float64, time.Duration, Bytes, anything
// that implements encoding.TextUnmarshaler (and TextMarshaler or Stringer), a
// list of these, a map of string to any of these, or a struct of fields.
// Durations and sizes are never negative.
//
// A Target that implements Validate() error is asked once it is filled; it
// reports with BadValue, and with errors.Join where there are several faults.
//
// Any package may import it. It is the only one that knows koanf. It never
// reads a setting while the program runs: what Load has filled stays.
package config

import (
	"errors"
	"reflect"
	"slices"

	"github.com/knadh/koanf/v2"
)

// Section is a part of the configuration that somebody declares.
type Section struct {
	// Key is where it stands, such as "http" or "mail"; empty declares keys of the
	// top level. Sections may share a key with different fields, or with the same
	// field where its type and default agree.
	Key string
	// Target is a pointer to a struct that holds the defaults, and after Load the
	// values.
	Target any
}

// Sources are where values come from besides the defaults, weakest first.
type Sources struct {
	// Files are paths of YAML files; a later one overrides an earlier one. Maps are
	// merged, lists replaced.
	Files []string
	// Environ is the environment as os.Environ gives it. Variables that do not
	// begin with STOA_ are ignored; of those that do, each must name a key:
	// upper-cased, with dots as underscores.
	Environ []string
	// Set holds key=value assignments of the command line; later ones win.
	Set []string
	// Reference is an annotated example that knows the keys of all modules. What
	// stands in it but in no section belongs to a module that this binary does not
	// link: values for it are accepted unread. It gives no values itself.
	Reference []byte
}

// Loaded is the outcome of Load: what has which value, and from where.
type Loaded struct {
	tree     *node
	defaults *koanf.Koanf
	values   *koanf.Koanf
	origins  map[string]string
	unread   []unread
}

// Load fills the targets of all sections. When it fails it has found one or
// more faults, which the returned *Error lists; the targets are then of no use.
// A section that is itself declared wrongly (a defect of the program) is
// reported the same way. Load is called once for a target, since it takes what
// the target holds for the defaults.
func Load(sources Sources, sections []Section) (*Loaded, error) {
	tree, defaults, err := declare(sections)
	if err != nil {
		return nil, err
	}
	reference, err := readReference(sources.Reference)
	if err != nil {
		return nil, err
	}
	r := &reader{tree: tree, reference: reference, origins: map[string]string{}}
	l := &Loaded{tree: tree, defaults: koanf.New("."), values: koanf.New("."), origins: r.origins}
	layers := []map[string]any{defaults}
	for _, file := range sources.Files {
		layers = append(layers, r.file(file))
	}
	layers = append(layers, r.environ(sources.Environ), r.flags(sources.Set))

	if err := l.defaults.Load(layer(defaults), nil); err != nil {
		return nil, err
	}
	for _, values := range layers {
		if err := l.values.Load(layer(values), nil); err != nil {
			return nil, err
		}
	}
	l.unread = r.unread
	faults := slices.Concat(r.faults, l.decode(sections, r))
	if len(faults) > 0 {
		return nil, &Error{Faults: faults}
	}
	return l, nil
}

// decode fills the targets and lets those validate themselves whose values
// could all be read: what a misspelt key leaves empty is not a second fault.
func (l *Loaded) decode(sections []Section, r *reader) []*Fault {
	var faults []*Fault
	for _, s := range sections {
		if l.values.Get(s.Key) == nil {
			continue // it has no fields
		}
		if err := l.values.UnmarshalWithConf(s.Key, s.Target, decoding()); err != nil {
			faults = append(faults, &Fault{Key: s.Key, Problem: err.Error()})
			continue
		}
		v, ok := s.Target.(interface{ Validate() error })
		if !ok || r.broken || slices.ContainsFunc(r.faults, func(f *Fault) bool { return s.holds(f.Key) }) {
			continue
		}
		for _, f := range flatten(v.Validate()) {
			f.Key = join(s.Key, f.Key)
			f.Source = l.origin(f.Key)
			faults = append(faults, f)
		}
	}
	return faults
}

// holds reports whether a key stands in the section; in one of the top level,
// only where it is a key of one of its fields.
func (s Section) holds(key string) bool {
	if s.Key != "" {
		return within(key, s.Key)
	}
	t := reflect.TypeOf(s.Target).Elem()
	for i := range t.NumField() {
		if name := t.Field(i).Tag.Get("koanf"); name != "" && within(key, name) {
			return true
		}
	}
	return false
}

// origin tells where the value of a key came from; for a key that holds others,
// where the first of them did that was given.
func (l *Loaded) origin(key string) string {
	if o, ok := l.origins[key]; ok {
		return o
	}
	for _, v := range l.Values() {
		if within(v.Key, key) && v.Source != Default {
			return v.Source
		}
	}
	return Default
}

// layer hands a ready map to koanf. It implements koanf.Provider.
type layer map[string]any

// Read gives a copy, since koanf keeps and changes what it is given.
func (l layer) Read() (map[string]any, error) { return clone(l), nil }

// ReadBytes is the half of koanf.Provider for sources that need a parser.
func (l layer) ReadBytes() ([]byte, error) { return nil, errors.New("a layer is read as a map") }

func clone(m map[string]any) map[string]any {
	c := make(map[string]any, len(m))
	for k, v := range m {
		if sub, ok := v.(map[string]any); ok {
			v = clone(sub)
		}
		c[k] = v
	}
	return c
}
