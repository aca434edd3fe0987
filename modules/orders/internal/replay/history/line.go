// Package history makes a plan out of an invoice file in the format of the
// Online Retail data set (UCI; Chen, Sain, Guo 2012): what a shop would have
// to hold and do so that the same things happen in it, and for every line of
// the file what becomes of it.
//
// It is pure: it reads a file and asks nobody. Only the replay imports it.
//
// The rules:
//
//   - Stock codes are compared in capitals. A code names goods if it has four
//     digits or more, or begins with DCGS, and is made of letters, digits, "_"
//     and "-"; the others (POST, DOT, M, D, S, C2, BANK CHARGES, AMAZONFEE …)
//     are charges and are left out.
//   - A code is a product. Each price at which it was sold is a variant, with
//     the SKU <code>-<price in minor units>: 85123A at 2.55 is 85123A-255.
//   - A price of zero, below zero, or not of whole minor units is no price; such
//     lines are left out.
//   - An invoice is an order of its customer, with equal codes at equal prices
//     added up. What one cart cannot hold becomes several orders, its parts.
//   - An invoice without a customer is a guest's, who has bought nothing else.
//   - A line with a negative quantity on an invoice that does not begin with C
//     is a write-off. It is taken from the variant of its code that the file
//     sells first; if it sells none, the line is left out.
//   - What a C invoice takes back, its customer must have bought before at that
//     price and not given back since. If it takes back an invoice line for
//     line, that is the one; otherwise the latest purchases come first. Orders
//     of which nothing is left and nothing was given back before are
//     cancelled; of others that part is refunded, and its stock put back. What
//     was not bought is left out, as is a C invoice without a customer.
//   - All that the file takes out of the shop, sold or written off, is put in
//     before.
package history

import (
	"bufio"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line is a line of the file, as it stands there.
type Line struct {
	Number      int // in the file; the header is 1
	Invoice     string
	Code        string // in capitals
	Description string
	Quantity    int64
	Price       string // decimal, in major units
	Customer    string // empty: not known
	Country     string
	// Bad says why the line cannot be read; the other fields are then what could be.
	Bad string
}

// cancels tells whether the line stands on a C invoice.
func (l Line) cancels() bool { return strings.HasPrefix(l.Invoice, "C") }

// columns are what the file must have, in any order.
var columns = []string{"InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"}

// maxQuantity is what no line goes past; more is taken for a slip.
const maxQuantity = 1_000_000

// Read reads a file, gzipped or plain. Of more than limit invoices it reads
// the first so many; 0 is all.
func Read(r io.Reader, limit int) ([]Line, error) {
	buffered := bufio.NewReader(r)
	r = buffered
	if magic, err := buffered.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b { // RFC 1952 §2.3.1
		unzipped, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, fmt.Errorf("unzip: %w", err)
		}
		r = unzipped
	}
	rows := csv.NewReader(r)
	rows.ReuseRecord = true
	at, err := readHeader(rows)
	if err != nil {
		return nil, err
	}
	var lines []Line
	invoices := map[string]bool{}
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil && !errors.Is(err, csv.ErrFieldCount) {
			return nil, err
		}
		number, _ := rows.FieldPos(0)
		l := parse(row, at)
		l.Number = number
		if !invoices[l.Invoice] {
			if limit > 0 && len(invoices) == limit {
				continue // a later line may still belong to an invoice that is read
			}
			invoices[l.Invoice] = true
		}
		lines = append(lines, l)
	}
}

// readHeader gives the places of the columns.
func readHeader(rows *csv.Reader) (at []int, err error) {
	header, err := rows.Read()
	if err != nil {
		return nil, fmt.Errorf("read the header: %w", err)
	}
	header[0] = strings.TrimPrefix(header[0], "\ufeff")
	for _, name := range columns {
		i := slices.IndexFunc(header, func(h string) bool { return strings.EqualFold(strings.TrimSpace(h), name) })
		if i < 0 {
			return nil, fmt.Errorf("the file has no column %q: it is not in the format of Online Retail", name)
		}
		at = append(at, i)
	}
	return at, nil
}

func parse(row []string, at []int) Line {
	field := func(i int) string {
		if at[i] >= len(row) {
			return ""
		}
		return text(row[at[i]])
	}
	l := Line{
		Invoice:     strings.ToUpper(field(0)),
		Code:        strings.ToUpper(field(1)),
		Description: field(2),
		Price:       field(5),
		Customer:    strings.TrimSuffix(field(6), ".0"),
		Country:     field(7),
	}
	var err error
	l.Quantity, err = strconv.ParseInt(field(3), 10, 64)
	switch {
	case len(row) < len(at) || len(row) <= slices.Max(at):
		l.Bad = "it has too few fields"
	case l.Invoice == "":
		l.Bad = "it has no invoice number"
	case err != nil || l.Quantity == 0:
		l.Bad = "its quantity is no number of pieces"
	case l.Quantity > maxQuantity || l.Quantity < -maxQuantity:
		l.Bad = fmt.Sprintf("its quantity is past %d", maxQuantity)
	case strings.HasPrefix(l.Invoice, "C") && l.Quantity > 0:
		l.Bad = "it cancels a negative quantity"
	}
	return l
}

// text copies a field, as one line. What is not UTF-8 is taken for Latin-1, in
// which the data set was first published.
func text(field string) string {
	if !utf8.ValidString(field) {
		runes := make([]rune, len(field))
		for i := range len(field) {
			runes[i] = rune(field[i])
		}
		field = string(runes)
	}
	words := strings.FieldsFunc(field, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) })
	return strings.Join(words, " ")
}
