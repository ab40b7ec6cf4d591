/* framecache: how large a slot is to be, as fcctl's plan and create take it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FCCTL_SIZING_H
#define FCCTL_SIZING_H

#include "fcctl.h"
#include "sizes.h"

G_BEGIN_DECLS

/* What is said in options; -1 and NULL where nothing was. */
typedef struct
{
  gint max_consumers;
  gint leases;
  gint writer_cells;
  gchar *format;
} FcctlSizing;

#define FCCTL_SIZING_INIT                                                      \
  {                                                                            \
    -1, -1, -1, NULL                                                           \
  }

#define FCCTL_SIZING_ENTRIES(s)                                                \
  { "max-consumers",                                                           \
    'c',                                                                       \
    0,                                                                         \
    G_OPTION_ARG_INT,                                                          \
    &(s).max_consumers,                                                        \
    "Consumers that there is room for (64)",                                   \
    "N" },                                                                     \
      { "leases",    'l',                                                      \
        0,           G_OPTION_ARG_INT,                                         \
        &(s).leases, "Frames that one consumer may hold (4)",                  \
        "N" },                                                                 \
      { "writer-cells",                                                        \
        'w',                                                                   \
        0,                                                                     \
        G_OPTION_ARG_INT,                                                      \
        &(s).writer_cells,                                                     \
        "Frames that the writer fills at a time (2)",                          \
        "N" },                                                                 \
  {                                                                            \
    "format", 'f', 0, G_OPTION_ARG_FILENAME, &(s).format,                      \
        "The frames' format: caps, for fcsink", "CAPS"                         \
  }

#define FCCTL_SIZING_HELP                                                      \
  "WORDS say how large the slot is:\n"                                         \
  "  1920x1080@60 NV12   a picture, its rate and raw format\n"                 \
  "  64KiB@50            or the bytes of the largest frame, and the rate\n"    \
  "  10s, 500ms, 2min    history, with a rate\n"                               \
  "  120f                or history in frames\n"

/* Take the words and options apart into SIZES; FALSE where they will not do:
 * that is said, and the exit code is FCCTL_USAGE. */
gboolean fcctl_sizing_take (const FcctlSizing *sizing, char **words,
                            FcrSizes *sizes);
void fcctl_sizing_clear (FcctlSizing *sizing);

/* OPTIONS for a slot that is made before its writer comes, in the directory
 * that fcctl was told of; and the plan for it. Where the format is not known
 * there is room for the longest. Returns an exit code, and says what is wrong.
 */
int fcctl_sizing_plan (const FcrSizes *sizes, fc_writer_options_t *options,
                       fc_plan_t *plan);

G_END_DECLS

#endif /* FCCTL_SIZING_H */
