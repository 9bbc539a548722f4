import MigrationModel
import VMDefinitions
import WireProtocol
import XMLDocuments

/// Changes of definitions that are there already.
extension MachineStore {
    /// Puts a guest policy in the place of the one that it was made from; the guest notices nothing.
    ///
    /// - Throws: `E-BUSY` when somebody else has changed it meanwhile or the VM is being moved,
    ///   `E-INTRANSFER` when this host has no right to run it; nothing is changed then.
    func change(_ request: ChangeGuestPolicy) throws(LivemigError) {
        try rewrite(request.name) { definition throws(LivemigError) in
            guard definition.policy == request.base else {
                throw LivemigError(
                    .busy, "somebody else has changed the policy of VM \(request.name) meanwhile",
                    at: root.path, fix: "look at it, then change it again")
            }
            try requireStillness(of: request.name)
            definition.policy = request.policy
        }
    }

    /// Changes a definition with nobody else changing one in between.
    /// - Throws: `E-NOVM` when there is none, and what `change` throws; nothing is written then.
    func rewrite(
        _ name: VMName, _ change: (inout VMDefinition) throws(LivemigError) -> Void
    ) throws(LivemigError) {
        // One lock for all, so that no folder of a VM that has gone keeps one.
        try DocumentFile.withTurn(toChange: root.definitions) { () throws(LivemigError) in
            var definition = try definition(of: name)
            try change(&definition)
            try write(definition, to: root.machine(name))
        }
    }

    /// A definition goes along with its guest: what is changed on the way would be forgotten.
    private func requireStillness(of name: VMName) throws(LivemigError) {
        let isLeaving = try MoveSlots(root: root).guests(.outgoing).contains { $0.name == name }
        let right = try summary(of: name).right
        guard !isLeaving, !right.isIntent else {
            throw LivemigError(
                .busy, "VM \(name) is being moved", at: root.path,
                fix: "change its policy once it has arrived")
        }
        guard right.mayRun else {
            throw LivemigError(
                .inTransfer, "the record of VM \(name) says \(right.word)", at: root.path,
                fix: "livemig status \(name) says where it is")
        }
    }
}
