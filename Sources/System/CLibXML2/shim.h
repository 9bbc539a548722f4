#pragma once
/* Newer headers deprecate what older libraries have no replacement for; both are supported. */
#define XML_DEPRECATED
#define XML_DEPRECATED_MEMBER
#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <libxml/relaxng.h>
#include <libxml/tree.h>
#include <libxml/xmlerror.h>
#include <libxml/xmlschemastypes.h>
#include <libxml/xmlwriter.h>
#include <stdlib.h>

/* xmlFree is a mutable global function pointer, which Swift 6 does not let anyone read. */
static inline void livemig_xml_free(void *memory) { xmlFree(memory); }

/* The version of the library that is linked, as 10000 * major + 100 * minor + patch; the header's
   LIBXML_VERSION is that of the machine that compiled. */
static inline long livemig_xml_linked_version(void) { return strtol(xmlParserVersion, NULL, 10); }

/* Answers every request for an external entity with "there is none". */
static inline xmlParserInputPtr livemig_xml_refuse_entity(const char *url, const char *identifier,
                                                         xmlParserCtxtPtr context) {
    (void)url;
    (void)identifier;
    (void)context;
    return NULL;
}

/* The library's lazily made tables are made here, by one thread, before anybody parses: neither
   the schema types nor the RELAX NG types guard their own initialisation before 2.11. */
static inline void livemig_xml_initialize(void) {
    xmlInitParser();
    xmlSetExternalEntityLoader(livemig_xml_refuse_entity);
    (void)xmlSchemaInitTypes();
    (void)xmlRelaxNGInitTypes();
}

/* Bytes of the input that the parser has read. */
static inline long livemig_xml_consumed(xmlParserCtxtPtr context) { return xmlByteConsumed(context); }
