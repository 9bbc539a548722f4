import HostPolicies
import Inventory
import MigrationModel
import VMDefinitions

/// Reads XML documents that users write.
enum DocumentFuzzing {
    private static let uuid = VMUUID(
        Bits128(high: 0x7D3C_8F7E_2F55_4A0A, low: 0x9D0B_0F6F_5B1C_2D3E))

    static func domain(_ input: [UInt8]) throws(BrokenPromise) -> FuzzTarget.Outcome {
        try readAgain { () throws(LivemigError) in
            try VMDefinitionDocument.decode(bytes: input, name: "input", generatedUUID: uuid)
        } write: { definition throws(LivemigError) in
            try VMDefinitionDocument.encode(definition)
        } read: { text throws(LivemigError) in
            try VMDefinitionDocument.decode(bytes: Array(text.utf8), name: "again")
        }
    }

    static func inventory(_ input: [UInt8]) throws(BrokenPromise) -> FuzzTarget.Outcome {
        try readAgain { () throws(LivemigError) in
            try InventoryDocument.decode(bytes: input, name: "input")
        } write: { records throws(LivemigError) in
            try InventoryDocument.encode(records)
        } read: { text throws(LivemigError) in
            try InventoryDocument.decode(bytes: Array(text.utf8), name: "again")
        }
    }

    static func policy(_ input: [UInt8]) throws(BrokenPromise) -> FuzzTarget.Outcome {
        try readAgain { () throws(LivemigError) in
            try HostPolicyDocument.decode(bytes: input, name: "input")
        } write: { policy throws(LivemigError) in
            try HostPolicyDocument.encode(policy)
        } read: { text throws(LivemigError) in
            try HostPolicyDocument.decode(bytes: Array(text.utf8), name: "again")
        }
    }

    /// What is accepted can be written, and is read from that as it was.
    private static func readAgain<Value: Equatable>(
        _ first: () throws(LivemigError) -> Value,
        write: (Value) throws(LivemigError) -> String,
        read: (String) throws(LivemigError) -> Value
    ) throws(BrokenPromise) -> FuzzTarget.Outcome {
        let value: Value
        do throws(LivemigError) {
            value = try first()
        } catch {
            _ = "\(error)"
            try promise(error.code != .internal, "\(error)")
            return .refused
        }
        let again: Value
        do throws(LivemigError) {
            again = try read(try write(value))
        } catch {
            throw BrokenPromise("accepted, but not when written again: \(error)")
        }
        try promise(value == again, "\(value) is read as \(again)")
        return .accepted
    }
}
