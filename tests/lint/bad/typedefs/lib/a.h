typedef struct x { int y; } x_t;
