package store

import (
	"context"
	"fmt"
	"math"
	"strings"

	"stoa/platform/db"
)

// tier is a part of what matches a query: less than the tiers before it, more
// than those after it.
type tier struct {
	statements
	but        bool // it takes what is left out, too
	expression func(Query) Expression
}

// tiers are those after the first, which is of titles that begin with the
// query. To find what has a word costs what is shown of it, but what has the
// beginning of a word must be gathered first. There is little of that among
// titles; of what is found elsewhere, what has all words whole comes first,
// which is also what people look for.
var tiers = []tier{
	{titledSQL.prepare(), false, func(q Query) Expression { return q.Any }},
	{elsewhereSQL.prepare(), true, func(q Query) Expression { return q.Whole }},
	{elsewhereSQL.prepare(), true, func(q Query) Expression { return q.Begun }},
}

// titledSQL reads what matches in its title, elsewhereSQL what matches and not
// in its title; the newest first.
var (
	titledSQL    = relevantSQL("title_search", "")
	elsewhereSQL = relevantSQL("product_search", " AND "+notTitled)
)

func relevantSQL(index, condition string) queries {
	of := func(status string) string {
		return `SELECT l.product FROM ` + searched(index, status, argMatch) + unused(argKey) +
			fmt.Sprintf(` AND s.rowid < $%d AND NOT (l.title >= $%d AND l.title < $%d)`, argNumber, argPrefix, argPrefixEnd) +
			condition + conditions + ` ORDER BY s.rowid DESC` + limit
	}
	return queries{of(oneStatus), of(allStatuses)}
}

// ListRelevant gives the places of the products that match a query, the best
// first: those whose title begins with it, by title; then, the newest first,
// those that have its words in their title, those that have them anywhere, and
// those that have the last of them as the beginning of a word only.
//
// To rank all that matches (bm25) would cost as much as there is of it:
// milliseconds for a common word in 20,000 products. This costs what is shown.
func ListRelevant(ctx context.Context, c db.Conn, q Query, f Filter, after Position, limit int) ([]Position, error) {
	var list []Position
	if after.Tier == 0 {
		var err error
		if list, err = listBegun(ctx, c, q, f, after, limit); err != nil {
			return nil, err
		}
		after = Position{Tier: 1}
	}
	for n := after.Tier; n <= len(tiers) && len(list) < limit; n++ {
		t, before := tiers[n-1], after.Number
		if before == 0 {
			before = math.MaxInt64
		}
		args := append(f.args(0, before, limit-len(list)), t.expression(q).on(c), q.Prefix, q.Prefix+"\U0010ffff")
		if t.but {
			args = append(args, q.Any.on(c))
		}
		rows, err := t.of(f).Query(ctx, c, args...)
		found, err := positions(rows, err, nil)
		if err != nil {
			return nil, err
		}
		for _, p := range found {
			p.Tier = n
			list = append(list, p)
		}
		after = Position{}
	}
	return list, nil
}

// listBegun gives the places of the products whose title begins with a query.
func listBegun(ctx context.Context, c db.Conn, q Query, f Filter, after Position, limit int) ([]Position, error) {
	if after.Number == 0 {
		after = Position{Title: q.Prefix}
	}
	list, err := List(ctx, c, ByTitle, f, after, limit)
	for i, p := range list {
		if !strings.HasPrefix(p.Title, q.Prefix) {
			return list[:i], err
		}
	}
	return list, err
}
