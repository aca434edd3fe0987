package config

import (
	"cmp"
	"encoding"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/v2"

	"stoa/platform/errs"
)

var durationType, bytesType = reflect.TypeFor[time.Duration](), reflect.TypeFor[Bytes]()

// parse reads the text of a value of type t.
func parse(t reflect.Type, text string) (reflect.Value, error) {
	v := reflect.New(t)
	if u, ok := v.Interface().(encoding.TextUnmarshaler); ok {
		return v.Elem(), u.UnmarshalText([]byte(text))
	}
	v = v.Elem()
	var err error
	switch {
	case t == durationType:
		var d time.Duration
		if d, err = time.ParseDuration(text); err != nil {
			err = errors.New("is not a duration: write a number and a unit, such as 250ms, 10s, 5m or 1h30m")
		}
		v.SetInt(int64(d))
	case t.Kind() == reflect.String:
		v.SetString(text)
	case t.Kind() == reflect.Bool:
		var b bool
		if b, err = parseBool(text); err == nil {
			v.SetBool(b)
		}
	case v.CanInt():
		var i int64
		if i, err = strconv.ParseInt(text, 10, t.Bits()); err != nil {
			err = numberError(err, "a whole number")
		}
		v.SetInt(i)
	case v.CanUint():
		var u uint64
		if u, err = strconv.ParseUint(text, 10, t.Bits()); err != nil {
			err = numberError(err, "a whole number that is not negative")
		}
		v.SetUint(u)
	default:
		var f float64
		if f, err = strconv.ParseFloat(text, 64); err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			err = numberError(err, "a number")
		}
		v.SetFloat(f)
	}
	return v, err
}

func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	default:
		return false, errors.New("is neither true nor false")
	}
}

func numberError(err error, what string) error {
	if errors.Is(err, strconv.ErrRange) {
		return errors.New("is out of range")
	}
	return fmt.Errorf("is not %s", what)
}

// format is the inverse of parse.
func format(v reflect.Value) string {
	p := reflect.New(v.Type())
	p.Elem().Set(v)
	switch x := p.Interface().(type) {
	case encoding.TextMarshaler:
		if text, err := x.MarshalText(); err == nil {
			return string(text)
		}
	case *time.Duration:
		return formatDuration(*x)
	case fmt.Stringer:
		return x.String()
	}
	return fmt.Sprint(v.Interface())
}

// formatDuration writes 1h rather than 1h0m0s.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// same reports whether two values of n mean the same, such as 60s and 1m.
func (n *node) same(a, b any) bool {
	spell := func(x any) any {
		text, ok := x.(string)
		if !ok {
			return x
		}
		v, err := parse(n.typ, text)
		if err != nil {
			return x
		}
		return format(v)
	}
	listA, isA := a.([]any)
	listB, isB := b.([]any)
	if isA && isB {
		return slices.EqualFunc(listA, listB, func(x, y any) bool { return spell(x) == spell(y) })
	}
	return reflect.DeepEqual(spell(a), spell(b))
}

// check tells what is wrong with text as a value of n; nil where nothing is.
func (n *node) check(text string) error {
	show := ""
	if !n.secret {
		show = strconv.Quote(mask(text)) + " "
	}
	v, err := parse(n.typ, text)
	switch e, typed := errs.As(err); {
	case err == nil:
	case n.secret:
		return errors.New("will not do (the value is secret)")
	case typed:
		return errors.New(mask(e.Message)) // it names the value itself
	default:
		return fmt.Errorf("%s%w", show, err)
	}
	if len(n.allowed) > 0 && !slices.Contains(n.allowed, text) {
		hint := ""
		if near := nearest(text, n.allowed); near != "" && !n.secret {
			hint = fmt.Sprintf("; did you mean %s?", near)
		}
		return fmt.Errorf("%sis not allowed; allowed: %s%s", show, strings.Join(n.allowed, ", "), hint)
	}
	low, high := n.min, n.max
	if low == "" && (n.typ == durationType || n.typ == bytesType) {
		low = "0"
	}
	if low != "" && compare(v, n.typ, low) < 0 || high != "" && compare(v, n.typ, high) > 0 {
		switch {
		case high == "":
			return fmt.Errorf("%sis out of range: at least %s", show, low)
		case low == "":
			return fmt.Errorf("%sis out of range: at most %s", show, high)
		default:
			return fmt.Errorf("%sis out of range: from %s to %s", show, low, high)
		}
	}
	return nil
}

// compare orders a value against a bound written as text. Bounds of a kind that
// has no order are refused when they are declared.
func compare(v reflect.Value, t reflect.Type, bound string) int {
	b, err := parse(t, bound)
	switch {
	case err != nil:
		return 0
	case v.CanInt():
		return cmp.Compare(v.Int(), b.Int())
	case v.CanUint():
		return cmp.Compare(v.Uint(), b.Uint())
	case v.CanFloat():
		return cmp.Compare(v.Float(), b.Float())
	default:
		return 0
	}
}

// decoding is how koanf fills a target: every value is text that has been
// checked; slices and maps replace what the target holds, since that has been
// loaded as the weakest layer.
func decoding() koanf.UnmarshalConf {
	return koanf.UnmarshalConf{Tag: "koanf", DecoderConfig: &mapstructure.DecoderConfig{
		ZeroFields: true,
		MatchName:  func(key, field string) bool { return key == field },
		DecodeHook: func(_, to reflect.Type, data any) (any, error) {
			text, ok := data.(string)
			if !ok || !isScalar(to) {
				return data, nil
			}
			v, err := parse(to, text)
			if err != nil {
				return nil, err
			}
			return v.Interface(), nil
		},
	}}
}
