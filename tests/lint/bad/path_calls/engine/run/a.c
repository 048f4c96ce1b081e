int f(const char *p) { return open(p, 0); }
