/* framecache: what the commands of fcctl share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FCCTL_H
#define FCCTL_H

#include <gio/gio.h>
#include <json-glib/json-glib.h>
#include <stdio.h>

#include "fc.h"

G_BEGIN_DECLS

/* Exit codes, as the man page has them. */
enum
{
  FCCTL_OK = 0,
  FCCTL_FAILED = 1,  /* the sentence is on standard error */
  FCCTL_USAGE = 2,   /* an unknown command, option or argument */
  FCCTL_NO_SLOT = 3, /* no such slot */
  FCCTL_PROBLEMS = 4 /* doctor found a fault; health: not healthy; plan: does
                        not fit */
};

/* Options of every command, read by fcctl_parse (). */
extern gchar *fcctl_directory; /* -d, --directory; NULL: FC_DIR or the usual */
extern gboolean fcctl_json;    /* -j, --json */
extern gboolean fcctl_color;   /* colours: standard output is a terminal, TERM
                                  is not dumb and NO_COLOR is not set; or as
                                  --color=always|never says */

/* The same for what comes before a command; ENTRIES are its own. */
gboolean fcctl_parse_globals (int *argc, char ***argv,
                              const GOptionEntry *entries,
                              const gchar *description);

/* A command: ARGV[0] is its name. Returns an exit code. */
typedef int (*FcctlFunc) (int argc, char **argv);

int fcctl_list (int argc, char **argv);
int fcctl_show (int argc, char **argv);
int fcctl_top (int argc, char **argv);
int fcctl_watch (int argc, char **argv);
int fcctl_snapshot (int argc, char **argv);
int fcctl_dump (int argc, char **argv);
int fcctl_create (int argc, char **argv);
int fcctl_rm (int argc, char **argv);
int fcctl_gc (int argc, char **argv);
int fcctl_plan (int argc, char **argv);
int fcctl_doctor (int argc, char **argv);
int fcctl_health (int argc, char **argv);
int fcctl_metrics (int argc, char **argv);

/* Parse a command's options: those of ENTRIES (may be NULL) and those of every
 * command. What is left of ARGV are its arguments, from MIN to MAX of them
 * (MAX -1: any number), which ARGUMENTS names for the usage line ("SLOT FILE").
 * SUMMARY is the command in a line, DESCRIPTION more lines or NULL. FALSE where
 * the command line will not do: that is said, and the exit code is
 * FCCTL_USAGE. */
gboolean fcctl_parse (int *argc, char ***argv, const GOptionEntry *entries,
                      const gchar *arguments, int min, int max,
                      const gchar *summary, const gchar *description);

/* A number of seconds, the value of OPTION ("--age"), in ns; FALSE where it is
 * none: that is said. */
gboolean fcctl_take_seconds (const gchar *option, gdouble seconds,
                             uint64_t *ns);

/* "fcctl: SENTENCE" on standard error; returns the exit code that goes with R,
 * an error of libfc's whose sentence fc_error_detail () has. */
int fcctl_fail (int r);
/* The same with a sentence of one's own; returns FCCTL_FAILED. */
int fcctl_say (const gchar *format, ...) G_GNUC_PRINTF (1, 2);

/* Columns of the terminal that standard output is, or 0: cut nothing. */
guint fcctl_width (void);

/* For people: "12.3 MiB", "59.94/s", "249 Mbit/s", "1.2 ms", "3 h 4 min". Each
 * is the caller's to free. */
gchar *fcctl_bytes (guint64 bytes);
gchar *fcctl_frame_rate (double rate);
gchar *fcctl_bit_rate (double rate);
gchar *fcctl_duration (guint64 ns);
/* "live", "lost", ...; stalled is worked out as the registry does. */
const gchar *fcctl_state (const fc_slot_stat_t *stat);
/* The state, in its colour; the caller's. */
gchar *fcctl_colored_state (const fc_slot_stat_t *stat);
/* ns since the newest frame, or where there is none since the ring was made. */
guint64 fcctl_age (const fc_slot_stat_t *stat);
/* ns for which a live writer has written nothing: since its newest frame, or
 * since it came. */
guint64 fcctl_silence (const fc_slot_stat_t *stat);
/* Frames that CONSUMER is behind, and the time that they last at the slot's
 * rate; FC_TIME_NONE where that is unknown. */
guint64 fcctl_lag (const fc_slot_stat_t *stat,
                   const fc_consumer_stat_t *consumer);
guint64 fcctl_lag_ns (const fc_slot_stat_t *stat, guint64 lag);
/* Whether the slot's consumers may be seen; where not, none are counted. */
gboolean fcctl_sees_consumers (const fc_slot_stat_t *stat);
/* "user", "group", "all". */
const gchar *fcctl_share (fc_share_t share);

/* TEXT, any bytes, as UTF-8 on one line, with \xNN and \uNNNN for what a
 * terminal would act on. The caller's. */
gchar *fcctl_escape (const void *text, gsize size);
gboolean fcctl_is_plain (gunichar c);
/* The columns that TEXT takes, colours not counted; and TEXT cut to WIDTH of
 * them, the last an ellipsis. TEXT was escaped. */
guint fcctl_columns (const gchar *text);
gchar *fcctl_cut (const gchar *text, guint width);

/* The format's bytes; NULL where there is none. The caller's. */
GBytes *fcctl_read_format (const char *directory, const char *slot);
/* The format on one line of at most WIDTH columns (0: all of it), with what a
 * terminal would act on escaped; "-" where there is none. */
gchar *fcctl_format (const char *directory, const char *slot, guint width);

/* Of a format that is caps: "video/x-raw"; a field that has one value; frames a
 * second (0: not said); in short ("NV12", "h264"; what is no caps as it is);
 * "1920x1080", "48000Hzx2". NULL where there is none. */
gchar *fcctl_caps_type (const gchar *caps);
gchar *fcctl_caps_field (const gchar *caps, const gchar *field);
gdouble fcctl_caps_rate (const gchar *caps);
gchar *fcctl_caps_short (const gchar *caps);
gchar *fcctl_caps_size (const gchar *caps);

/* A table: columns as wide as they need; where WIDTH is not 0 and they do not
 * fit in it, the last one is cut, and then the first. Right-aligned where the
 * column's title begins with '>'. Cells may have colours; all else in them was
 * escaped. */
typedef struct _FcctlTable FcctlTable;
FcctlTable *fcctl_table_new (const gchar *const *titles);
/* Takes the strings; NULL-terminated, as many as there are titles. */
void fcctl_table_add (FcctlTable *table, gchar *first,
                      ...) G_GNUC_NULL_TERMINATED;
void fcctl_table_print (FcctlTable *table, FILE *file, guint width);
void fcctl_table_free (FcctlTable *table);

/* "Label         text": on a terminal, what does not fit in its width goes on
 * below. TEXT was escaped and has no colours. */
void fcctl_line (const gchar *label, const gchar *text);

/* Colour escapes, "" where fcctl_color is off. */
const gchar *fcctl_bold (void);
const gchar *fcctl_green (void);
const gchar *fcctl_yellow (void);
const gchar *fcctl_red (void);
const gchar *fcctl_dim (void);
const gchar *fcctl_plain (void);

/* Prints the builder's root, indented or on one line, and a newline; frees
 * BUILDER. */
void fcctl_print_json (JsonBuilder *builder);
void fcctl_print_json_line (JsonBuilder *builder);
/* The same line, the caller's. */
gchar *fcctl_json_line (JsonBuilder *builder);
/* One member; the string may be NULL and need not be UTF-8, the time may be
 * FC_TIME_NONE: null. */
void fcctl_json_uint (JsonBuilder *builder, const gchar *name, guint64 value);
void fcctl_json_time (JsonBuilder *builder, const gchar *name, guint64 ns);
void fcctl_json_double (JsonBuilder *builder, const gchar *name, gdouble value);
void fcctl_json_bool (JsonBuilder *builder, const gchar *name, gboolean value);
void fcctl_json_string (JsonBuilder *builder, const gchar *name,
                        const gchar *value);
/* The members that fcctl show --json has for a slot, and for a consumer, into
 * the object that BUILDER has open: the same names and units in every command
 * (bytes, ns, frames/s, bits/s, whole seconds of the wall clock never). FORMAT
 * is fcctl_read_format ()'s. */
void fcctl_json_slot (JsonBuilder *builder, const fc_slot_stat_t *stat,
                      GBytes *format);
void fcctl_json_consumer (JsonBuilder *builder, const fc_slot_stat_t *stat,
                          const fc_consumer_stat_t *consumer);

G_END_DECLS

#endif /* FCCTL_H */
