//go:build unix

package main

import (
	"go/ast"
	"go/token"
	"strconv"
	"strings"
)

// swaps are the operators that a mutant exchanges. The edge of a comparison is
// moved and its sense turned, arithmetic goes the other way.
var swaps = map[token.Token][]string{
	token.LSS: {"<=", ">="}, token.LEQ: {"<", ">"},
	token.GTR: {">=", "<="}, token.GEQ: {">", "<"},
	token.EQL: {"!="}, token.NEQ: {"=="},
	token.LAND: {"||"}, token.LOR: {"&&"},
	token.ADD: {"-"}, token.SUB: {"+"}, token.MUL: {"/"}, token.QUO: {"*"}, token.REM: {"*"},
	token.AND: {"|"}, token.OR: {"&"}, token.AND_NOT: {"|"}, token.XOR: {"|"},
	token.SHL: {">>"}, token.SHR: {"<<"},
}

// collector walks one function and notes what can be changed in it.
type collector struct {
	fset   *token.FileSet
	src    []byte
	fn     string
	whole  map[ast.Expr]bool // conditions that are replaced as a whole
	sizes  map[ast.Expr]bool // buffer sizes and times, one more of which changes nothing, and what nobody looks at
	unseen map[ast.Expr]bool // what makes no difference as a whole
	add    func(from, to token.Pos, text string)
}

func (c *collector) text(n ast.Node) string {
	return string(c.src[c.fset.Position(n.Pos()).Offset:c.fset.Position(n.End()).Offset])
}

// function collects the changes of one function's body.
func (c *collector) function(f *ast.FuncDecl) {
	c.whole, c.sizes, c.unseen = map[ast.Expr]bool{}, map[ast.Expr]bool{}, map[ast.Expr]bool{}
	if len(f.Body.List) > 0 {
		start := f.Body.List[0].Pos()
		c.add(start, start, "if true { "+c.zeroReturn(f)+" }; ")
	}
	ast.Inspect(f.Body, func(n ast.Node) bool {
		if n == nil {
			return false
		}
		switch n := n.(type) {
		case *ast.FuncLit:
			return true
		case ast.Stmt:
			return c.statement(n)
		case ast.Expr:
			return c.expression(n)
		}
		return true
	})
}

// zeroReturn is the statement that leaves f at once with zero values.
func (c *collector) zeroReturn(f *ast.FuncDecl) string {
	if f.Type.Results == nil {
		return "return"
	}
	var zeros []string
	for _, field := range f.Type.Results.List {
		for range max(1, len(field.Names)) {
			zeros = append(zeros, "*new("+c.text(field.Type)+")")
		}
	}
	return "return " + strings.Join(zeros, ", ")
}

// statement collects the changes of a statement; false keeps the walk out of it.
func (c *collector) statement(s ast.Stmt) bool {
	switch s := s.(type) {
	case *ast.IfStmt:
		c.condition(s.Cond)
	case *ast.CaseClause:
		for _, e := range s.List {
			if b, ok := e.(*ast.BinaryExpr); ok && comparison(b.Op) {
				c.condition(e)
			}
		}
	case *ast.ExprStmt:
		if call, ok := s.X.(*ast.CallExpr); ok && unobservable(call) {
			return false
		}
		c.drop(s)
	case *ast.IncDecStmt:
		if isWork(s.X) {
			return false
		}
		c.drop(s)
	case *ast.DeferStmt, *ast.GoStmt, *ast.SendStmt:
		c.drop(s)
	case *ast.AssignStmt:
		if isWork(s.Lhs[0]) {
			return false
		}
		if s.Tok != token.DEFINE && !onlyBlank(s.Lhs) {
			c.drop(s)
		}
	case *ast.BranchStmt:
		if s.Label == nil && s.Tok == token.CONTINUE {
			c.add(s.Pos(), s.End(), "break")
		}
	case *ast.ReturnStmt:
		for _, r := range s.Results {
			if id, ok := r.(*ast.Ident); ok && id.Name == "err" {
				c.add(r.Pos(), r.End(), "nil")
			}
			c.sizes[r] = c.sizes[r] || c.isVoid(s)
		}
	}
	return true
}

// isVoid says whether a return says by its last result that nobody is to look at the
// others: false, or an error. How much was read or written counts in spite of one.
func (c *collector) isVoid(s *ast.ReturnStmt) bool {
	if len(s.Results) < 2 {
		return false
	}
	_, method, _ := strings.Cut(c.fn, ".")
	counts := strings.HasPrefix(method, "Read") || strings.HasPrefix(method, "Write")
	switch last := c.text(s.Results[len(s.Results)-1]); {
	case last == "false":
		return true
	case last == "err", strings.HasPrefix(last, "errors.New("):
		return !counts
	}
	return false
}

// drop makes a statement that never runs; so its names stay in use.
func (c *collector) drop(s ast.Stmt) {
	c.add(s.Pos(), s.End(), "if false { "+c.text(s)+" }")
}

// condition makes a branch that is never taken and one that always is.
func (c *collector) condition(e ast.Expr) {
	c.whole[e] = true
	c.add(e.Pos(), e.End(), "false && ("+c.text(e)+")")
	c.add(e.Pos(), e.End(), "true || ("+c.text(e)+")")
}

// expression collects the changes of an expression; false keeps the walk out of it.
func (c *collector) expression(e ast.Expr) bool {
	if c.unseen[e] {
		return false
	}
	switch e := e.(type) {
	case *ast.BinaryExpr:
		if c.size(e) {
			return true
		}
		for _, op := range swaps[e.Op] {
			// A condition that turns round is one that is never or always met, which is tried already.
			if c.whole[e] && comparison(e.Op) && turned(e.Op) == op {
				continue
			}
			if e.Op == token.GTR && op == ">=" && isLen(e.X) && c.text(e.Y) == "0" {
				continue // always met, which is tried already
			}
			c.add(e.OpPos, e.OpPos+token.Pos(len(e.Op.String())), op)
		}
	case *ast.UnaryExpr:
		if e.Op == token.NOT && !c.whole[e] {
			c.add(e.Pos(), e.X.Pos(), "")
		}
	case *ast.BasicLit:
		if n, err := strconv.ParseInt(e.Value, 0, 64); err == nil && e.Kind == token.INT && !c.sizes[e] {
			c.add(e.Pos(), e.End(), strconv.FormatInt(n+1, 10))
		}
	case *ast.Ident:
		switch e.Name {
		case "true":
			c.add(e.Pos(), e.End(), "false")
		case "false":
			c.add(e.Pos(), e.End(), "true")
		}
	case *ast.CallExpr:
		id, _ := e.Fun.(*ast.Ident)
		switch {
		case id == nil:
		case id.Name == "make" && len(e.Args) == 3:
			c.unseen[e.Args[2]] = true // a capacity
		case id.Name == "min":
			c.add(id.Pos(), id.End(), "max")
		case id.Name == "max":
			c.add(id.Pos(), id.End(), "min")
		case id.Name == "panic":
			return false
		}
	}
	return true
}

// size notes the numbers in 64 << 10 and 2 * time.Second. It says whether the
// operator is to be left alone as well.
func (c *collector) size(e *ast.BinaryExpr) bool {
	_, x := e.X.(*ast.BasicLit)
	_, y := e.Y.(*ast.BasicLit)
	if (e.Op == token.SHL || e.Op == token.QUO) && x && y || e.Op == token.MUL && (x && isTime(e.Y) || y && isTime(e.X)) {
		c.sizes[e.X], c.sizes[e.Y] = true, true
		return true
	}
	return false
}

// isWork names the counters of what was looked at, which the tests of costs read and
// nothing else does.
func isWork(e ast.Expr) bool {
	s, ok := e.(*ast.SelectorExpr)
	return ok && s.Sel.Name == "work"
}

func isTime(e ast.Expr) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	id, ok := s.X.(*ast.Ident)
	return ok && id.Name == "time"
}

func isLen(e ast.Expr) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	id, ok := call.Fun.(*ast.Ident)
	return ok && id.Name == "len"
}

func comparison(op token.Token) bool {
	switch op {
	case token.LSS, token.LEQ, token.GTR, token.GEQ, token.EQL, token.NEQ:
		return true
	}
	return false
}

// turned is the comparison that holds exactly when op does not.
func turned(op token.Token) string {
	all := swaps[op]
	return all[len(all)-1]
}

// unobservable says whether a call says something to people alone.
func unobservable(call *ast.CallExpr) bool {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name == "panic" || f.Name == "println"
	case *ast.SelectorExpr:
		switch f.Sel.Name {
		case "Debug", "Info", "Warn", "Error", "Logf", "Log", "log", "debug":
			return true
		}
	}
	return false
}

func onlyBlank(all []ast.Expr) bool {
	for _, e := range all {
		if id, ok := e.(*ast.Ident); !ok || id.Name != "_" {
			return false
		}
	}
	return true
}
