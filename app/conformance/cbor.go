package conformance

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// cborNegotiation is what holds of answers and requests in CBOR (RFC 8949).
func cborNegotiation() []promise {
	return []promise{
		{"who accepts CBOR gets the same answer in CBOR", answersInCBOR},
		{"JSON is answered where it is preferred or nothing is said", jsonIsTheDefault},
		{"a body may be CBOR", requestsInCBOR},
		{"malformed CBOR is refused as malformed JSON is", malformedCBOR},
	}
}

const cborType = "application/cbor"

func answersInCBOR(t *testing.T, w *world) {
	_, p := w.sell(t, usd(1999), 3)
	for _, path := range []string{"/products/" + p.ID, "/products?limit=3&vendor=Vendor", "/users/me"} {
		plain := w.customer.Get(t, path).Want(t, http.StatusOK)
		a := w.customer.Get(t, path, header("Accept", cborType)).Want(t, http.StatusOK)
		if strings.Contains(path, "?") {
			// Others put products on sale meanwhile.
			require.Equal(t, cborType, a.Header.Get("Content-Type"))
			_, err := readCBOR(a.Body)
			require.NoError(t, err)
			continue
		}
		require.Equal(t, cborType, a.Header.Get("Content-Type"))
		got, err := readCBOR(a.Body)
		require.NoError(t, err)
		text, err := json.Marshal(got)
		require.NoError(t, err)
		require.JSONEq(t, string(plain.Body), string(text))
	}
}

func jsonIsTheDefault(t *testing.T, w *world) {
	for _, accept := range []string{"", "*/*", "application/json", "application/*", "application/cbor;q=0.1, application/json", "text/html, */*;q=0.1"} {
		a := w.anyone.Get(t, "/products?limit=1", header("Accept", accept)).Want(t, http.StatusOK)
		require.True(t, isJSON(a.Header), "Accept: %s gives %s", accept, a.Header.Get("Content-Type"))
	}
}

func requestsInCBOR(t *testing.T, w *world) {
	var body bytes.Buffer
	writeCBOR(&body, map[string]any{"currency": "EUR"})
	a := w.anyone.Post(t, "/carts", body.Bytes(), contentType(cborType)).Want(t, http.StatusCreated)
	require.Equal(t, "EUR", decode[Cart](t, a).Currency)

	sku, _ := w.sell(t, usd(100), 5)
	cart := decode[Cart](t, w.anyone.Post(t, "/carts", fields{}).Want(t, http.StatusCreated))
	body.Reset()
	writeCBOR(&body, map[string]any{"quantity": 3})
	w.anyone.Put(t, "/carts/"+cart.ID+"/items/"+sku, body.Bytes(), contentType(cborType)).Want(t, http.StatusOK)
	require.EqualValues(t, 3, get[Cart](t, w.anyone, "/carts/"+cart.ID).Items[0].Quantity)

	// What is refused in JSON is refused in CBOR.
	for _, bad := range []map[string]any{{"quantity": 0}, {"quantity": -1}, {"quantity": "3"}, {"quantity": 3, "price": 1}} {
		body.Reset()
		writeCBOR(&body, bad)
		w.anyone.Put(t, "/carts/"+cart.ID+"/items/"+sku, body.Bytes(), contentType(cborType)).Refused(t, http.StatusUnprocessableEntity)
	}
}

func malformedCBOR(t *testing.T, w *world) {
	deep := append(bytes.Repeat([]byte{0x81}, 10_000), 0x80)
	for _, bad := range [][]byte{
		{0xa1}, {0xff}, {0xa1, 0x61, 'a'}, {0x9b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, {0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		{0x5b, 0x00, 0x00, 0x00, 0x10, 0x00, 0x00, 0x00, 0x00}, deep, {0xa0, 0xa0}, {0xa2, 0x61, 'a', 0x01, 0x61, 'a', 0x02}, {0xa1, 0x61, 0xff, 0x01},
		{0xf9, 0x7e, 0x00}, {0x80}, {0xf6}, []byte(`{"currency":"EUR"}`),
	} {
		a := w.anyone.Post(t, "/carts", bad, contentType(cborType))
		a.Refused(t, http.StatusBadRequest, http.StatusUnprocessableEntity)
	}
}

// writeCBOR writes the few kinds of values that requests of the suite have.
func writeCBOR(b *bytes.Buffer, v any) {
	head := func(major byte, n uint64) {
		switch {
		case n < 24:
			b.WriteByte(major<<5 | byte(n))
		case n <= math.MaxUint8:
			b.Write([]byte{major<<5 | 24, byte(n)})
		default:
			b.WriteByte(major<<5 | 27)
			b.Write(binary.BigEndian.AppendUint64(nil, n))
		}
	}
	switch v := v.(type) {
	case int:
		if v < 0 {
			head(1, uint64(-1-v))
		} else {
			head(0, uint64(v))
		}
	case string:
		head(3, uint64(len(v)))
		b.WriteString(v)
	case map[string]any:
		head(5, uint64(len(v)))
		for name, e := range v {
			writeCBOR(b, name)
			writeCBOR(b, e)
		}
	default:
		panic(fmt.Sprintf("writeCBOR: %T", v))
	}
}

// readCBOR reads one value, as encoding/json would give it but for numbers,
// which are whole.
func readCBOR(b []byte) (any, error) {
	r := &cborReader{b}
	v, err := r.value()
	if err == nil && len(r.left) > 0 {
		err = errors.New("there is data behind the value")
	}
	return v, err
}

type cborReader struct{ left []byte }

var errShortCBOR = errors.New("the value breaks off")

func (r *cborReader) take(n uint64) ([]byte, error) {
	if uint64(len(r.left)) < n {
		return nil, errShortCBOR
	}
	taken := r.left[:n]
	r.left = r.left[n:]
	return taken, nil
}

func (r *cborReader) head() (major, info byte, n uint64, err error) {
	first, err := r.take(1)
	if err != nil {
		return 0, 0, 0, err
	}
	major, info = first[0]>>5, first[0]&31
	if info < 24 {
		return major, info, uint64(info), nil
	}
	if info > 27 {
		return 0, 0, 0, fmt.Errorf("additional information %d is not expected", info)
	}
	argument, err := r.take(1 << (info - 24))
	for _, b := range argument {
		n = n<<8 | uint64(b)
	}
	return major, info, n, err
}

func (r *cborReader) value() (any, error) {
	major, info, n, err := r.head()
	if err != nil {
		return nil, err
	}
	switch major {
	case 0:
		return n, nil
	case 1:
		return -1 - int64(n), nil
	case 3:
		text, err := r.take(n)
		return string(text), err
	case 4:
		list := []any{}
		for range n {
			e, err := r.value()
			if err != nil {
				return nil, err
			}
			list = append(list, e)
		}
		return list, nil
	case 5:
		object := map[string]any{}
		for range n {
			name, err := r.value()
			if err != nil {
				return nil, err
			}
			text, ok := name.(string)
			if !ok {
				return nil, fmt.Errorf("%v is no name", name)
			}
			if object[text], err = r.value(); err != nil {
				return nil, err
			}
		}
		return object, nil
	case 7:
		if i := slices.Index([]byte{20, 21, 22}, info); i >= 0 {
			return []any{false, true, nil}[i], nil
		}
	}
	return nil, fmt.Errorf("a value of major type %d, %d is not expected", major, info)
}
