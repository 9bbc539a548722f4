import CLibXML2
import MigrationModel

/// The callbacks that stand between the library's parser and its tree builder (`libxml/SAX2.h`).
///
/// Their argument is the parser context, the value of `userData` that the tree builder relies on.
extension DocumentParser {
    static func install(on handler: UnsafeMutablePointer<xmlSAXHandler>) {
        unsafe installRefusals(on: handler)
        unsafe handler.pointee.comment = nil
        unsafe handler.pointee.serror = { context, error in
            guard let parser = unsafe DocumentParser.parser(context), let error = unsafe error,
                let state = unsafe DocumentParser.of(parser)
            else { return }
            let level = unsafe error.pointee.level
            guard level == XML_ERR_ERROR || level == XML_ERR_FATAL else { return }
            unsafe state.record(
                LibraryReport(
                    message: error.pointee.message, line: error.pointee.line,
                    column: error.pointee.int2))
        }
        unsafe handler.pointee.startElementNs = {
            context, name, prefix, uri, declarations, namespaces, count, defaulted, attributes in
            guard let parser = unsafe DocumentParser.parser(context),
                let state = unsafe DocumentParser.of(parser)
            else { return }
            let written = unsafe String.qualified(
                prefix: String(library: prefix), String(library: name))
            let lengths = unsafe DocumentParser.lengths(attributes, count: Int(count))
            guard
                unsafe state.opened(
                    written, attributeLengths: lengths, declarations: Int(declarations), parser)
            else { return }
            unsafe xmlSAX2StartElementNs(
                context, name, prefix, uri, declarations, namespaces, count, defaulted, attributes)
            guard let node = unsafe parser.pointee.node else { return }
            unsafe node.pointee._private = UnsafeMutableRawPointer(bitPattern: state.tags.count)
        }
        unsafe handler.pointee.endElementNs = { context, name, prefix, uri in
            guard let parser = unsafe DocumentParser.parser(context),
                let state = unsafe DocumentParser.of(parser)
            else { return }
            state.closed()
            unsafe xmlSAX2EndElementNs(context, name, prefix, uri)
        }
    }

    /// What is refused as soon as it is met.
    ///
    /// `internalSubset` comes after `<!DOCTYPE name` and its identifiers, before the first
    /// declaration and before anything is loaded: nothing is left to expand.
    private static func installRefusals(on handler: UnsafeMutablePointer<xmlSAXHandler>) {
        unsafe handler.pointee.internalSubset = { context, _, _, _ in
            guard let parser = unsafe DocumentParser.parser(context) else { return }
            unsafe DocumentParser.of(parser)?.refuse(
                .xmlDTD, "document type declarations are not accepted", opening: "<!DOCTYPE",
                parser)
        }
        unsafe handler.pointee.externalSubset = { context, _, _, _ in
            guard let parser = unsafe DocumentParser.parser(context) else { return }
            unsafe DocumentParser.of(parser)?.refuse(
                .xmlDTD, "document type declarations are not accepted", opening: "<!DOCTYPE",
                parser)
        }
        unsafe handler.pointee.resolveEntity = { _, _, _ in nil }
        unsafe handler.pointee.processingInstruction = { context, target, _ in
            guard let parser = unsafe DocumentParser.parser(context) else { return }
            let name = unsafe String(library: target)
            unsafe DocumentParser.of(parser)?.refuse(
                .xmlUnsupported, "processing instruction \(name.escaped()) is not supported",
                opening: "<?", parser)
        }
    }

    private static func parser(
        _ context: UnsafeMutableRawPointer?
    ) -> UnsafeMutablePointer<xmlParserCtxt>? {
        unsafe context?.assumingMemoryBound(to: xmlParserCtxt.self)
    }

    /// The lengths of the values: five pointers an attribute, the last two are its value's bounds.
    private static func lengths(
        _ attributes: UnsafeMutablePointer<UnsafePointer<xmlChar>?>?, count: Int
    ) -> [Int] {
        (0..<max(count, 0)).map { index in
            guard let start = unsafe attributes?[5 * index + 3],
                let end = unsafe attributes?[5 * index + 4]
            else { return 0 }
            return unsafe end - start
        }
    }
}
