import CLibXML2
public import MigrationModel
import Synchronization

/// A compiled RELAX NG schema in XML syntax (ISO/IEC 19757-2).
///
/// Used by one thread at a time.
@safe public struct XMLSchema: ~Copyable {
    private let schema: OpaquePointer

    /// Compiles a schema.
    /// - Parameters:
    ///   - source: the schema's text, part of the program.
    ///   - name: what errors call the schema.
    /// - Throws: `E-INTERNAL` when it is not a schema: a schema is never input.
    public init(source: [UInt8], name: String) throws(LivemigError) {
        guard LibXML2.isReady else { throw LivemigError(.resource, "no XML library") }
        let collector = ReportCollector()
        let compiled = unsafe source.withUnsafeBytes { buffer -> OpaquePointer? in
            guard
                let context = unsafe xmlRelaxNGNewMemParserCtxt(
                    buffer.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(buffer.count))
            else { return nil }
            defer { unsafe xmlRelaxNGFreeParserCtxt(context) }
            unsafe xmlRelaxNGSetParserStructuredErrors(
                context,
                { target, error in
                    guard let error = unsafe error else { return }
                    unsafe ReportCollector.of(target)?.add(
                        LibraryReport(
                            message: error.pointee.message, line: error.pointee.line, column: 0),
                        node: error.pointee.node)
                }, Unmanaged.passUnretained(collector).toOpaque())
            return unsafe xmlRelaxNGParse(context)
        }
        guard let compiled = unsafe compiled else {
            let report = collector.message
            throw LivemigError(
                .internal, "schema does not compile: \(report?.message ?? "no reason given")",
                at: "\(name):\(report?.line ?? 0)")
        }
        unsafe schema = unsafe compiled
    }

    deinit { unsafe xmlRelaxNGFree(schema) }

    /// Checks a document.
    /// - Throws: `E-XML-SCHEMA` with the first deviation and its `file:line:column`.
    public func validate(_ document: borrowing XMLDocument) throws(LivemigError) {
        guard let context = unsafe xmlRelaxNGNewValidCtxt(schema) else {
            throw LivemigError(.resource, "no memory for a schema validator", at: document.name)
        }
        defer { unsafe xmlRelaxNGFreeValidCtxt(context) }
        let collector = ReportCollector()
        unsafe xmlRelaxNGSetValidStructuredErrors(
            context,
            { target, error in
                guard let error = unsafe error else { return }
                unsafe ReportCollector.of(target)?.add(
                    LibraryReport(
                        message: error.pointee.message, line: error.pointee.line, column: 0),
                    node: error.pointee.node)
            }, Unmanaged.passUnretained(collector).toOpaque())
        let result = unsafe xmlRelaxNGValidateDoc(context, document.tree)
        guard result != 0 else { return }
        guard result > 0 else {
            throw LivemigError(.internal, "the schema validator failed", at: document.name)
        }
        throw error(of: collector, in: document)
    }

    /// The first report says what is wrong; of all reports the one furthest into the document says
    /// where, as the library blames an enclosing element for what an interleave did not take.
    private func error(
        of collector: ReportCollector, in document: borrowing XMLDocument
    ) -> LivemigError {
        guard let first = collector.message else {
            return LivemigError(.xmlSchema, "does not follow the schema", at: document.name)
        }
        let reader = document.reader
        let positions = unsafe collector.nodes.map { node in
            unsafe Self.element(of: node).map { unsafe reader.tag(of: $0).position }
        }
        let position = positions.compactMap(\.self).max() ?? first.position
        return LivemigError(.xmlSchema, first.message, at: "\(document.name):\(position)")
    }

    /// The element that a reported node is or belongs to.
    private static func element(
        of node: UnsafeMutableRawPointer?
    ) -> UnsafeMutablePointer<xmlNode>? {
        var next = unsafe node?.assumingMemoryBound(to: xmlNode.self)
        while let node = unsafe next {
            switch unsafe node.pointee.type {
            case XML_ELEMENT_NODE: return unsafe node
            case XML_ATTRIBUTE_NODE, XML_TEXT_NODE, XML_CDATA_SECTION_NODE:
                unsafe next = node.pointee.parent
            default: return nil
            }
        }
        return nil
    }
}

/// A schema that is part of the program, compiled at its first use and used by any thread.
///
/// Unchecked: `turn` protects `schema`, which is used by one thread at a time.
public final class SharedXMLSchema: @unchecked Sendable {
    private let source: [UInt8]
    private let name: String
    private let turn = Mutex(())
    private var schema: XMLSchema?

    /// States a schema; the parameters are those of `XMLSchema`.
    public init(source: [UInt8], name: String) {
        self.source = source
        self.name = name
    }

    /// Checks a document.
    /// - Throws: as `XMLSchema.init` and `XMLSchema.validate`.
    public func validate(_ document: borrowing XMLDocument) throws(LivemigError) {
        try turn.withLock { _ throws(LivemigError) in
            if schema == nil { schema = try XMLSchema(source: source, name: name) }
            try schema?.validate(document)
        }
    }
}

/// Keeps the first of the library's reports, which names the cause, and the nodes of all.
@safe private final class ReportCollector {
    private(set) var message: LibraryReport?
    private(set) var nodes: [UnsafeMutableRawPointer] = unsafe []

    func add(_ report: LibraryReport, node: UnsafeMutableRawPointer?) {
        if message == nil { message = report }
        if let node = unsafe node, unsafe nodes.count < 64 { unsafe nodes.append(node) }
    }

    static func of(_ target: UnsafeMutableRawPointer?) -> ReportCollector? {
        guard let target = unsafe target else { return nil }
        return unsafe Unmanaged<ReportCollector>.fromOpaque(target).takeUnretainedValue()
    }
}
