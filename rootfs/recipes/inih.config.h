/* Hoy's choices: a handler hears of line numbers and of new sections (name NULL), `;` belongs to values. */
#define INI_HANDLER_LINENO 1
#define INI_CALL_HANDLER_ON_NEW_SECTION 1
#define INI_STOP_ON_FIRST_ERROR 0
#define INI_ALLOW_MULTILINE 0
#define INI_ALLOW_INLINE_COMMENTS 0
#define INI_MAX_LINE 4096
