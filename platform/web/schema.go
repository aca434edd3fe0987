package web

import (
	"path"
	"reflect"
	"strings"
	"unicode"

	"stoa/platform/errs"
)

// schemaNames gives schemas names that do not depend on which modules are
// there: a module's types are named after it, catalog.Product, so that two
// modules may have a type of the same name.
type schemaNames struct {
	module string // that is registering
	taken  map[string]reflect.Type
}

func newSchemaNames() *schemaNames { return &schemaNames{taken: map[string]reflect.Type{}} }

// name is called by Huma for every type; hint names one that has no name of its
// own. Of types of one module that share a name, such as a contract's and a
// request's, the later ones have their package put before it.
func (n *schemaNames) name(t reflect.Type, hint string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return hint // it is written out where it stands
	}
	module, name := n.module, exported(hint)
	if t.Name() != "" {
		module, name = typeName(t)
	}
	full := qualified(module, name)
	if taken, ok := n.taken[full]; ok && taken != t && t.Name() != "" {
		full = qualified(module, exported(path.Base(t.PkgPath()))+name)
	}
	n.taken[full] = t
	return full
}

func qualified(module, name string) string {
	if module == "" {
		return name
	}
	return module + "." + name
}

// typeName names a type, and the module it belongs to: List[catalog.Product] is
// ProductList of catalog.
func typeName(t reflect.Type) (module, name string) {
	if t == reflect.TypeFor[errs.Field]() {
		return "", "FieldError"
	}
	name, argument, generic := strings.Cut(t.Name(), "[")
	module = moduleOf(t.PkgPath())
	if generic {
		// The argument is "path/to/package.Type", or several of them.
		argument, _, _ = strings.Cut(strings.TrimSuffix(argument, "]"), ",")
		pkg, base := "", argument
		if at := strings.LastIndexByte(argument, '.'); at >= 0 {
			pkg, base = argument[:at], argument[at+1:]
		}
		if module == "" {
			module = moduleOf(pkg)
		}
		name = exported(base) + name
	}
	return module, exported(name)
}

// moduleOf gives the module a package belongs to, empty where it is none's.
func moduleOf(path string) string {
	_, rest, ok := strings.Cut(path, "/modules/")
	if !ok {
		return ""
	}
	module, _, _ := strings.Cut(rest, "/")
	return module
}

func exported(name string) string {
	for i, r := range name {
		return string(unicode.ToUpper(r)) + name[i+len(string(r)):]
	}
	return name
}
