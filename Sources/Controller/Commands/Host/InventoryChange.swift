import Inventory
import MigrationModel
import Orchestrator

extension CommandContext {
    /// Changes the inventory; waiting for other writers blocks, so on a thread of its own.
    @discardableResult
    func change<Value: Sendable>(
        _ file: InventoryFile,
        _ body: @escaping @Sendable (inout [HostRecord]) throws(LivemigError) -> Value
    ) async throws(LivemigError) -> Value {
        try await BlockingWork.run("inventory") { () throws(LivemigError) in
            try file.update(body)
        }
    }
}
