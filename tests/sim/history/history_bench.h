/* Histories written by hand, for the checker's own tests: what must be found in them, and what not. */
#ifndef BATON_TESTS_SIM_HISTORY_BENCH_H
#define BATON_TESTS_SIM_HISTORY_BENCH_H

/* The checkers that find something in this text, each once, in alphabetical order with a blank between; "" when all is
 * well. Fails the test with all findings when it is another. */
void bench_expect(const char *checkers, const char *text);

/* Two clients with a session each: 0x1 on connection 1, 0x2 on connection 2. */
#define OPEN_1 "open call=1 at=2 k=1 c=1 s=0x1 srv=1 timeout=1000\n"
#define OPEN_2 "open call=1 at=2 k=2 c=2 s=0x2 srv=2 timeout=1000\n"
#define OPEN   OPEN_1 OPEN_2
/* An operation: called and answered when, on which connection (and session), with which xid. */
#define OP(call, ret, k, x, rest) "op call=" #call " ret=" #ret " k=" #k " s=0x" #k " x=" #x " op=" rest "\n"
#define STAT(c, m, p, v, cv, o, kids)                                                                                  \
        " stat=c:" #c ",m:" #m ",p:" #p ",v:" #v ",cv:" #cv ",av:0,o:" #o ",len:2,kids:" #kids
/* The log of the sessions above, before anything else. */
#define LOG_OPEN "txn zxid=1 s=0x1 x=0 op=open timeout=1000\ntxn zxid=2 s=0x2 x=0 op=open timeout=1000\n"

#endif
