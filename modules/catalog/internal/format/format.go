// Package format reads and writes files of a catalogue: a stream of products
// in, a stream of products out, in memory that does not grow with the file.
//
// It knows three formats. shopify is the product CSV as Shopify writes it, in
// its older and its newer column names, with further columns for what that has
// no place for. csv is a plain table with one row for each variant. json is an
// object {"products": […]} with one product on each line. Their columns and
// members stand in shopify.go, csv.go and json.go. What a Writer writes, a
// Reader of the same format reads back to the same products, and writing those
// again gives the same bytes.
//
// Cells are data: they are written as they are, also those that a spreadsheet
// would take for a formula, because a changed cell would not be read back.
//
// The catalog's service and commands may import it. It never touches a
// database, never decides whether a product is created or updated, and never
// asks whether a category exists.
package format

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
	"strings"

	"stoa/platform/money"
)

// Format is the name of a kind of file.
type Format string

// The formats.
const (
	Shopify Format = "shopify"
	JSON    Format = "json"
	CSV     Format = "csv"
)

// Formats gives the formats there are.
func Formats() []Format { return []Format{Shopify, JSON, CSV} }

// Valid reports whether f is one of Formats.
func (f Format) Valid() bool { return slices.Contains(Formats(), f) }

// ContentType is the media type of a file of the format.
func (f Format) ContentType() string {
	if f == JSON {
		return "application/json"
	}
	return "text/csv; charset=utf-8"
}

// Options say how a file is read.
type Options struct {
	// Currency is that of prices which name none: an ISO 4217 code.
	Currency string
}

// RowError is a cell that will not do.
type RowError struct {
	// Row is the row as a spreadsheet numbers it: the header is row 1, and line
	// breaks inside a cell do not count. In a JSON file it is the number of the
	// product, the first being 1.
	Row int `json:"row"`
	// Column is the column's name in the file, or the path of the member
	// ("variants[0].price") in JSON. It is empty where the whole row is meant.
	Column string `json:"column"`
	// Message says what is wrong, for people.
	Message string `json:"message"`
}

// Error makes a RowError an error.
func (e RowError) Error() string {
	if e.Column == "" {
		return fmt.Sprintf("row %d: %s", e.Row, e.Message)
	}
	return fmt.Sprintf("row %d, %s: %s", e.Row, e.Column, e.Message)
}

// FileError says that a file cannot be read any further, and from which row on.
type FileError struct{ RowError }

// Error says where the file is broken.
func (e *FileError) Error() string { return "the file cannot be read: " + e.RowError.Error() }

func broken(row int, column, message string, args ...any) *FileError {
	return &FileError{RowError{row, column, fmt.Sprintf(message, args...)}}
}

// Record is a product as it stands in a file.
type Record struct {
	// Product is what was read. Where there are Errors it is not to be used.
	Product Product
	// First and Last are the rows it stands in, Rows how many of them are not
	// blank; over a file they add up to what Count counts.
	First, Last, Rows int
	// VariantRows holds the row of each of the product's variants.
	VariantRows []int
	// Errors are the cells that will not do, at most MaxRowErrors of them. A
	// product with one is refused as a whole.
	Errors []RowError
}

// Reader gives the products of a file one after the other.
type Reader struct {
	source source
	seen   seen
	err    error // what ended it
}

// source is what the formats differ in.
type source interface {
	// next gives the next record, io.EOF, a *FileError or what the file's
	// io.Reader returned.
	next() (Record, error)
	// locate gives the row and column of a fault in a record.
	locate(record *Record, f Fault) RowError
}

// NewReader begins to read a file. It returns a *FileError where the head of
// the file shows that it is none of its format, money.ErrUnknownCurrency, or
// what r returned.
func NewReader(f Format, r io.Reader, o Options) (*Reader, error) {
	if !money.ValidCurrency(o.Currency) {
		return nil, money.ErrUnknownCurrency.With("there is no currency with the code %q", o.Currency)
	}
	in, err := open(r)
	if err != nil {
		return nil, err
	}
	reader := &Reader{seen: newSeen()}
	switch f {
	case Shopify:
		reader.source, err = newSheet(in, &shopify, o)
	case CSV:
		reader.source, err = newSheet(in, &plain, o)
	case JSON:
		reader.source, err = newJSONSource(in, o)
	default:
		return nil, fmt.Errorf("there is no format %q", f)
	}
	if err != nil {
		return nil, err
	}
	return reader, nil
}

// Next gives the next product, or io.EOF after the last one. A product with bad
// cells is a Record with Errors, and reading goes on behind it. Where the file
// itself is broken, Next returns a *FileError, and what r returned where
// reading failed; both end the file, and every later call returns the same.
func (r *Reader) Next() (Record, error) {
	if r.err != nil {
		return Record{}, r.err
	}
	record, err := r.source.next()
	if err != nil {
		r.err = err
		return Record{}, err
	}
	if slug := record.Product.Slug; slug != "" {
		if before, ok := r.seen.add(slug, record.First); ok {
			record.Errors = append(record.Errors, r.Locate(record, Fault{Field: FieldSlug, Message: fmt.Sprintf(
				"%q already stands in row %d: rows of one product stand together, and products differ in their slugs", clip(slug), before)}))
		}
	}
	return record, nil
}

// Locate gives the row and the column of something that was found wrong with a
// product after it was read, such as a category that does not exist or a
// quantity below what is reserved. It may be called while Next is.
func (r *Reader) Locate(record Record, f Fault) RowError { return r.source.locate(&record, f) }

// Count counts the rows of a file that are not blank, the header not included;
// in a JSON file, the products. It reads all of r but looks at no cell. It
// returns a *FileError where the file is broken, or what r returned.
func Count(f Format, r io.Reader) (int, error) {
	in, err := open(r)
	if err != nil {
		return 0, err
	}
	switch f {
	case Shopify, CSV:
		return countRows(in)
	case JSON:
		return countProducts(in)
	}
	return 0, fmt.Errorf("there is no format %q", f)
}

// open skips a byte order mark and refuses files that are no UTF-8 at all.
func open(r io.Reader) (*bufio.Reader, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	head, err := in.Peek(3)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case len(head) == 0:
		return nil, broken(1, "", "the file is empty")
	case bytes.Equal(head, []byte("\uFEFF")):
		_, err := in.Discard(len(head))
		return in, err
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}), bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		return nil, broken(1, "", "the file is UTF-16; save it as UTF-8")
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}), bytes.HasPrefix(head, []byte("PK")):
		return nil, broken(1, "", "the file is compressed; unpack it first")
	}
	return in, nil
}

// seen remembers in which row each product of a file began. It keeps a hash
// and a number of each, some 20 bytes: the one thing that grows with the file.
type seen struct {
	seed maphash.Seed
	rows map[uint64]int32
}

func newSeen() seen { return seen{maphash.MakeSeed(), map[uint64]int32{}} }

// add remembers a slug, or gives the row where it was seen before.
func (s *seen) add(slug string, row int) (before int, ok bool) {
	hash := maphash.String(s.seed, slug)
	if first, ok := s.rows[hash]; ok {
		return int(first), true
	}
	s.rows[hash] = int32(row)
	return 0, false
}

// clip keeps what came from a file short in a message, and text.
func clip(text string) string {
	const most = 60
	if len(text) > most {
		text = text[:most] + "…"
	}
	return strings.ToValidUTF8(text, "")
}
