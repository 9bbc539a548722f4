import CLibXML2
import MigrationModel

/// The library's process-wide state, touched in exactly one place.
enum LibXML2 {
    /// Initialises the library once, whichever thread comes first.
    static let isReady: Bool = {
        livemig_xml_initialize()
        return true
    }()

    /// What documents are parsed with (`libxml/parser.h`).
    ///
    /// `NOENT`, `DTDLOAD`, `XINCLUDE`, `HUGE` and `RECOVER` stay off: they load, expand or guess.
    /// `NO_XXE` (1 << 23) is known from 2.13, `NO_SYS_CATALOG` (1 << 24) from 2.14.
    static let options: Int32 = {
        let known: [xmlParserOption] = [
            XML_PARSE_NONET, XML_PARSE_NOERROR, XML_PARSE_NOWARNING, XML_PARSE_NOCDATA,
        ]
        var options = known.reduce(0) { $0 | $1.rawValue }
        let version = livemig_xml_linked_version()
        if version >= 21300 { options |= 1 << 23 }
        if version >= 21400 { options |= 1 << 24 }
        return Int32(bitPattern: options)
    }()
}

/// A message of the library, made safe to print.
struct LibraryReport {
    var message: String
    /// From 1; 0 when the library did not know.
    var line: Int
    /// From 1; 0 when the library did not know.
    var column: Int

    init(message: UnsafePointer<CChar>?, line: Int32, column: Int32) {
        let text = unsafe message.map { unsafe String(cString: $0) } ?? "unknown error"
        self.message = Self.printable(text)
        self.line = Int(line)
        self.column = Int(column)
    }

    var position: XMLPosition { XMLPosition(line: max(line, 1), column: max(column, 1)) }

    /// One line without control characters, at most 300 scalars.
    private static func printable(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars.prefix(300) {
            let isControl = scalar.value < 0x20 || (0x7F..<0xA0).contains(scalar.value)
            result.append(isControl ? " " : scalar)
        }
        while result.last == " " || result.last == "." { result.removeLast() }
        return String(result)
    }
}

extension String {
    /// Copies text of the library's; `nil` stays empty.
    init(library text: UnsafePointer<xmlChar>?) {
        self = unsafe text.map { unsafe String(cString: $0) } ?? ""
    }

    /// Joins a namespace prefix and a name as they are written.
    static func qualified(prefix: String, _ name: String) -> String {
        prefix.isEmpty ? name : "\(prefix):\(name)"
    }
}
