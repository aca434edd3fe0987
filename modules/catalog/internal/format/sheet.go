package format

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// sheet reads products from a CSV format. It looks one row ahead: the first row
// of the next product ends the one before.
type sheet struct {
	dialect *dialect
	options Options
	in      *scanner
	header  []string         // the names of the columns as they stand in the file
	at      [columnCount]int // where each known column stands, from 1; 0 where it is missing
	absent  Fields
	ahead   bool   // the current row is not part of a product yet
	key     string // of the product that the current row belongs to; "" belongs to none
	handle  []byte // the cells that key was made of
	title   []byte
	builder builder // of the product that is being read
}

func newSheet(in *bufio.Reader, d *dialect, o Options) (*sheet, error) {
	s := &sheet{dialect: d, options: o, in: newScanner(in)}
	for {
		err := s.in.scan()
		if errors.Is(err, io.EOF) {
			return nil, broken(1, "", "the file is empty")
		}
		if err != nil {
			return nil, err
		}
		if !s.in.blank() {
			break
		}
	}
	if err := s.readHeader(); err != nil {
		return nil, err
	}
	s.in.max = len(s.header)
	return s, nil
}

func (s *sheet) readHeader() error {
	row := s.in.row
	if s.in.n > MaxColumns {
		return broken(row, "", "there are more than %d columns", MaxColumns)
	}
	if s.in.n == 1 && bytes.ContainsAny(s.in.text, ";\t") {
		return broken(row, "", "there is one column; cells are separated by commas, not by semicolons or tabs")
	}
	for i := range s.in.n {
		name := strings.TrimSpace(string(s.in.cell(i)))
		if !utf8.ValidString(name) {
			return broken(row, "", "the name of column %d %s", i+1, notUTF8)
		}
		s.header = append(s.header, name)
		c, known := s.dialect.find(name)
		switch {
		case !known && !s.dialect.unknown && name != "":
			return broken(row, clip(name), "there is no such column; known are %s", strings.Join(s.dialect.names(), ", "))
		case !known:
		case s.at[c] != 0 && foldName(s.header[s.at[c]-1]) == foldName(name):
			return broken(row, name, "the column stands twice")
		case s.at[c] != 0:
			return broken(row, name, "the column means the same as %s", s.header[s.at[c]-1])
		default:
			s.at[c] = i + 1
		}
	}
	if s.at[colTitle] == 0 {
		return broken(row, "", "there is no column %s", s.dialect.name(colTitle))
	}
	s.absent = s.missingFields()
	return nil
}

// missingFields are those that no column of the file speaks of.
func (s *sheet) missingFields() Fields {
	var missing Fields
	for f := range fieldCount {
		switch f {
		case FieldSlug, FieldTitle, FieldImageAlt, FieldImagePosition, FieldOptions, FieldVariants, FieldSKU,
			FieldVariantOptions, FieldPrice, FieldCurrency, FieldCompareAtCurrency:
			// Never missing by themselves: required, or made from other columns.
		case FieldStatus:
			if !s.has(colStatus) && !s.has(colPublished) {
				missing |= FieldsOf(f)
			}
		default:
			if !s.has(column(f)) {
				missing |= FieldsOf(f)
			}
		}
	}
	return missing
}

func (s *sheet) has(c column) bool { return s.at[c] != 0 }

// cell gives a cell of the current row, valid until the next one.
func (s *sheet) cell(c column) []byte { return s.in.cell(s.at[c] - 1) }

func (s *sheet) filled(c column) bool { return len(s.cell(c)) > 0 }

// nameOf gives the name of a column in this file.
func (s *sheet) nameOf(c column) string {
	if s.has(c) {
		return s.header[s.at[c]-1]
	}
	return s.dialect.name(c)
}

// locate gives the row and column of a fault in a record of the sheet.
func (s *sheet) locate(record *Record, f Fault) RowError {
	row, c := record.First, column(f.Field)
	switch {
	case f.Field == FieldVariants:
		return RowError{row, "", f.Message}
	case f.Field == FieldOptions && !s.has(c):
		c = colName1
	case f.Field == FieldVariantOptions && !s.has(c):
		c = colValue1
	case !s.dialect.imageRows && (f.Field == FieldImageAlt || f.Field == FieldImagePosition):
		c = colImage
	}
	if f.Field >= FieldSKU && f.Index < len(record.VariantRows) {
		row = record.VariantRows[f.Index]
	}
	return RowError{row, s.nameOf(c), f.Message}
}

// next reads the rows of the next product.
func (s *sheet) next() (Record, error) {
	if !s.ahead {
		if err := s.advance(); err != nil {
			return Record{}, err
		}
	}
	b := &s.builder
	b.begin(s)
	key := s.key
	for {
		b.add()
		s.ahead = false
		err := s.advance()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Record{}, err
		}
		if s.key != key || key == "" {
			break
		}
	}
	return b.finish(key), nil
}

// advance goes to the next row that is not blank and finds out whose it is.
func (s *sheet) advance() error {
	for {
		if err := s.in.scan(); err != nil {
			return err
		}
		if !s.in.blank() {
			break
		}
	}
	s.ahead = true
	handle := bytes.TrimSpace(s.cell(colSlug))
	var title []byte
	if len(handle) == 0 {
		title = s.cell(colTitle)
	}
	if bytes.Equal(handle, s.handle) && bytes.Equal(title, s.title) {
		return nil
	}
	s.handle, s.title = append(s.handle[:0], handle...), append(s.title[:0], title...)
	switch {
	case len(handle) > 0:
		// Of one that is too long enough is kept to be too long.
		s.key = strings.ToLower(string(handle[:min(len(handle), (MaxSlug+1)*utf8.UTFMax)]))
	case len(bytes.TrimSpace(title)) > 0:
		s.key = Slug(string(title[:min(len(title), MaxTitle*utf8.UTFMax)]))
	default:
		s.key = ""
	}
	return nil
}

// cellError is a cell of the current row that will not do.
func (s *sheet) cellError(c column, message string, args ...any) RowError {
	return RowError{s.in.row, s.nameOf(c), fmt.Sprintf(message, args...)}
}
