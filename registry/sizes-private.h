/* framecache: what the parts of sizes share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FCR_SIZES_PRIVATE_H
#define FCR_SIZES_PRIVATE_H

#include "sizes.h"

G_BEGIN_DECLS

#define SIDE_MAX 65535u   /* pixels of a picture's width and height */
#define RATE_MAX 1000000u /* frames a second */

/* Sets ERROR; returns FALSE. */
gboolean fcr_sizes_bad (GError **error, const gchar *format, ...)
    G_GNUC_PRINTF (2, 3);
/* What a sentence can quote of WORD, whatever bytes it is made of. The
 * caller's to free. */
gchar *fcr_sizes_quote (const gchar *word);
/* NAME as GStreamer spells it, where it is one of fcr_sizes_formats () in
 * whatever case (no two differ in their case alone), else NULL. */
const gchar *fcr_sizes_format (const gchar *name);

G_END_DECLS

#endif /* FCR_SIZES_PRIVATE_H */
