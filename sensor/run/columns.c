#include "run/columns.h"

static void set_widths(const struct term *t, const struct columns *table, char (*cells)[CELL], size_t rows,
	unsigned width[COLUMNS_MOST])
{
	unsigned sum = 0;
	for (unsigned c = 0; c < table->n; c++) {
		width[c] = term_columns(bytes_str(table->heads[c]));
		for (size_t i = 0; i < rows; i++) {
			unsigned need = term_columns(bytes_str(cells[i * table->n + c]));
			width[c] = need > width[c] ? need : width[c];
		}
		width[c] = width[c] > table->most[c] ? table->most[c] : width[c];
		sum += 2 + width[c];
	}
	for (size_t k = 0; t->tty && k < table->n_gives && sum > t->width; k++) {
		unsigned c = table->gives[k], over = sum - t->width,
			 can = width[c] > table->least[c] ? width[c] - table->least[c] : 0;
		unsigned cut = over < can ? over : can;
		width[c] -= cut;
		sum -= cut;
	}
}

static void print_cell(
	const struct term *t, const struct columns *table, unsigned c, const char *cell, unsigned width)
{
	fputs("  ", t->out);
	bool number = table->numbers >> c & 1, last = c == table->n - 1;
	unsigned need = term_columns(bytes_str(cell));
	if (number && need < width)
		fprintf(t->out, "%*s", (int)(width - need), "");
	term_cell(t, cell, (number || last) && need < width ? need : width);
}

void columns_print(const struct term *t, const struct columns *table, char (*cells)[CELL], size_t rows)
{
	unsigned width[COLUMNS_MOST];
	set_widths(t, table, cells, rows, width);
	if (rows)
		term_style(t, STYLE_DIM);
	for (unsigned c = 0; rows && c < table->n; c++)
		print_cell(t, table, c, table->heads[c], width[c]);
	if (rows) {
		fputc('\n', t->out);
		term_style(t, STYLE_PLAIN);
	}
	for (size_t i = 0; i < rows; i++) {
		for (unsigned c = 0; c < table->n; c++)
			print_cell(t, table, c, cells[i * table->n + c], width[c]);
		fputc('\n', t->out);
	}
}
