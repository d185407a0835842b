package scenario
import ("testing";"context")
func BenchmarkDay(b *testing.B){ all,_:=All(); for _,s:=range all { if s.Name=="quiet_day" { for range b.N { if _,err:=Run(context.Background(),s,deaf{},Options{});err!=nil{b.Fatal(err)} } } } }
