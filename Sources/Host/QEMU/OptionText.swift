import MigrationModel

/// QEMU's `head,key=value,…` syntax, in which a comma inside a value is written twice.
///
/// Source: qemu(1), "Block device options": `file=my,,file`; util/keyval.c, util/qemu-option.c.
enum OptionText {
    /// Joins a leading word and named values, in the order given.
    static func join(_ head: String, _ values: KeyValuePairs<String, String>) -> String {
        var parts = head.isEmpty ? [] : [head]
        parts += values.map { "\($0.key)=\(escape($0.value))" }
        return parts.joined(separator: ",")
    }

    /// A value with its commas doubled.
    static func escape(_ value: String) -> String {
        value.split(separator: ",", omittingEmptySubsequences: false).joined(separator: ",,")
    }

    /// `on` or `off`.
    static func flag(_ value: Bool) -> String { value ? "on" : "off" }

    /// Insists on text that fits one argument of a program.
    /// - Throws: `E-FILE` for control characters, which no file that a guest needs has in its name.
    static func requirePlain(_ text: String, _ what: String) throws(LivemigError) {
        guard text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F }) else {
            throw LivemigError(.file, "\(what) contains control characters", at: text.escaped())
        }
    }
}
